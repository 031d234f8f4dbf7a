"""Rounds: how elites get their north star, and what islands learn there about the proxy."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ...evaluators.statistics import Interval
from ...population.values.evaluation import Evaluation, Promotion
from ...population.values.member import Member, ranked
from ..loop.context import SearchContext
from ..loop.events import Progress
from .alignment import Elites, RoundNote, alarm, correlation, finished, note_at, round_before
from .effects import plain
from .reweighting import Weights, index, learn, unweighted


class Round(Protocol):
    """A way to give elites their north star, every `north_star.every` generations. Islands wait for it."""

    def held(self, search: SearchContext, generation: int) -> bool:
        """Whether the round of that generation was held."""
        ...

    async def hold(self, search: SearchContext, generation: int, progress: Progress) -> None:
        """Holds the round and commits it as a whole."""
        ...

    def best_known(self, search: SearchContext, until: int) -> Member | None:
        """The best program as of the last round up to that generation, or None: what islands receive."""
        ...

    def winner(self, search: SearchContext) -> tuple[dict[str, Any], list[Any]] | None:
        """(the run's winner, the worth of its edits) as the rounds decided; None where the claim chooses."""
        return None

    def told(self, search: SearchContext, gain: Mapping[str, Any]) -> dict[str, Any]:
        """The parts that the rounds add to a report whose `gain` was found on the claim split."""
        return {}


def noted(
    search: SearchContext,
    generation: int,
    promotions: Iterable[Promotion],
    audited: Iterable[str],
    live: Mapping[str, Interval] | None = None,
    simplified: Iterable[Evaluation] = (),
) -> RoundNote:
    """What the round of a generation notes, from the archive and the promotions that it is about to commit.

    `live` are north-star effects from experiments by program, in the unit of the north star. `simplified` are
    the evaluations of programs that it is about to commit.
    """
    config = search.config
    elites = Elites.of(search.archive, live)
    assert elites is not None  # generation 0 is there before the first round
    elites = replace(
        elites, further=tuple(promotions), audited=frozenset(audited), simplified=tuple(simplified)
    )
    measured = elites.measured()
    points = [point for point, _ in measured]
    whole = correlation(points, config.seed)
    taught = [(verdict, point.north_star) for point, verdict in measured]
    return RoundNote(
        generation,
        tuple(audited),
        learn(taught) if config.proxy.reweight else None,
        alarm(points, config.north_star.alarm, config.seed),
        plain(whole),
    )


def tell(search: SearchContext, note: RoundNote, progress: Progress) -> None:
    """Says an alarm, and that weights changed since the round before."""
    if note.alarm:
        progress.say("alarm", generation=note.generation, line=f"ALARM: {note.alarm}")
    weights, before = note.weights, note_at(search.archive, previous(search, note.generation)).weights
    if weights and weights.share and weights != before:
        line = f"the proxy is re-weighted by {weights.elites} elites, share {weights.share:.2f}"
        progress.note(line)


def previous(search: SearchContext, generation: int) -> int:
    """The generation of the last round before this one, where islands stand at it or have just left it."""
    return round_before(generation, search.config.north_star.every)


def weights_for(search: SearchContext, number: int) -> Weights | None:
    """The weights in force in a generation: those of the last round before it; None: the plain proxy."""
    if not search.config.proxy.reweight or number < 1:
        return None
    return note_at(search.archive, previous(search, number)).weights


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
    found = []
    for one in members:
        born = finished(search.archive, one.program_id, search.last_stage)
        assert born is not None  # a member ran every rung
        found.append(replace(one, score=index(unweighted(born.verdict), weights).value))
    return ranked(tuple(found))
