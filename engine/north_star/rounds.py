"""Meeting: what islands take home besides promotions: how far to trust the proxy, and its weights."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...evaluators.statistics import Interval
from ...population.values.evaluation import Evaluation, Promotion
from ...population.values.member import Member, ranked
from ..loop.context import SearchContext
from ..loop.events import Progress
from .alignment import Elites, Meeting, alarm, correlation, finished, last_stage, meeting_at, meeting_before
from .effects import plain
from .reweighting import Weights, index, learn, unweighted


def held(
    search: SearchContext,
    generation: int,
    promotions: Iterable[Promotion],
    audited: Iterable[str],
    live: Mapping[str, Interval] | None = None,
    simplified: Iterable[Evaluation] = (),
) -> Meeting:
    """What the meeting of a generation notes, from the archive and the promotions that it is about to commit.

    `live` are north-star effects from experiments by program, in the unit of the north star. `simplified` are
    the evaluations of programs that it is about to commit.
    """
    config = search.config
    elites = Elites.of(search.archive, live)
    assert elites is not None  # generation 0 is there before the first meeting
    elites = replace(
        elites, further=tuple(promotions), audited=frozenset(audited), simplified=tuple(simplified)
    )
    measured = elites.measured()
    points = [point for point, _ in measured]
    whole = correlation(points, config.seed)
    weights = None
    if config.proxy.reweight:
        weights = learn([(verdict, point.north_star) for point, verdict in measured])
    return Meeting(
        generation,
        tuple(audited),
        weights,
        alarm(points, config.north_star.alarm, config.seed),
        plain(whole) if whole else None,
    )


def tell(meeting: Meeting, before: Meeting, progress: Progress) -> None:
    """Says an alarm, and that weights changed."""
    if meeting.alarm:
        progress.say("alarm", generation=meeting.generation, line=f"ALARM: {meeting.alarm}")
    if meeting.weights != before.weights and meeting.weights is not None and meeting.weights.share:
        line = (
            f"the proxy is re-weighted by {meeting.weights.elites} elites, share {meeting.weights.share:.2f}"
        )
        progress.say("note", line=line)


def previous(search: SearchContext, generation: int) -> int:
    """The generation of the last meeting before this one, where islands stand at it or have just left it."""
    return meeting_before(generation, search.config.north_star.every)


def weights_for(search: SearchContext, number: int) -> Weights | None:
    """The weights in force in a generation: those of the last meeting before it; None: the plain proxy."""
    if not search.config.proxy.reweight or number < 1:
        return None
    return meeting_at(search.archive, previous(search, number)).weights


def changed(search: SearchContext, number: int) -> bool:
    """Whether generation `number` is scored by other weights than the one before it."""
    return weights_for(search, number) != weights_for(search, number - 1)


def rescored(search: SearchContext, members: Iterable[Member], number: int) -> tuple[Member, ...]:
    """The members, best first, with the scores that count in generation `number`.

    From their recorded verdicts. As they are, in their order, where the run does not re-weight.
    """
    if not search.config.proxy.reweight:
        return tuple(members)
    weights = weights_for(search, number)
    stage = last_stage(search.config.proxy.rungs, search.terms.rungs)
    found = []
    for one in members:
        born = finished(search.archive, one.program_id, stage)
        assert born is not None  # a member ran every rung
        found.append(replace(one, score=index(unweighted(born.verdict), weights).value))
    return ranked(tuple(found))
