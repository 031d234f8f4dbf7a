"""Promotion: elites meet the north star, on data that the search has not seen."""

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from ...evaluators.kinds.task import Task
from ...evaluators.statistics import paired
from ...population.archive.archive import Archive
from ...population.island.diversity import distinct
from ...population.island.randomness import generator
from ...population.values.evaluation import Promotion, Stage
from ...population.values.member import Member, ranked
from ...population.values.verdict import Metric, Status, Verdict
from ..config.config import ConfigError
from ..loop.candidate import member
from ..loop.context import SearchContext
from ..loop.evaluate import judge
from ..loop.events import Progress
from .alignment import finished, note_name
from .rounds import Round, noted, rescored, tell

UNGUARDED = Verdict(Status.SCORED, Metric(0.0))
"""The guardrails of a program on which nobody has looked yet."""


@dataclass(frozen=True)
class Standing:
    """A promoted program: its verdict on each fold and on its guardrails."""

    program_id: str
    folds: tuple[Verdict, ...]
    guard: Verdict
    broken: tuple[str, ...]
    """One sentence for each guardrail that does not hold."""
    audited: bool = False
    """Whether chance had it measured, and not its proxy."""

    @property
    def scores(self) -> tuple[float, ...]:
        """The score on each fold, higher is better; empty where any fold has none."""
        scores = [verdict.score.value for verdict in self.folds if verdict.score]
        return tuple(scores) if len(scores) == len(self.folds) else ()

    @property
    def eligible(self) -> bool:
        """Whether it may win: scored on every fold, all guardrails hold."""
        return bool(self.scores) and not self.broken

    @property
    def mean(self) -> float:
        """The mean score over folds."""
        return sum(self.scores) / len(self.scores)

    def over(self, other: "Standing") -> float:
        """The mean gain over another on the folds that both have, which is at least one."""
        pairs = list(zip(self.scores, other.scores, strict=False))
        return sum(ours - theirs for ours, theirs in pairs) / len(pairs)


def unheard(program_id: str, split: str, fold: int) -> None:
    """Nobody wants to know of each training."""


async def measure(
    search: SearchContext,
    program_id: str,
    source: str,
    split: str,
    folds: int,
    of: int | None = None,
    told: Callable[[str, str, int], None] = unheard,
    *,
    guarded: bool = True,
) -> Standing:
    """A program's standing on the first `folds` of a split dealt into `of`, by default `final_folds`.

    What is recorded already costs nothing. `told` hears of each fold as it is there. Not `guarded`, it
    breaks no guardrail, for nobody looks.
    """

    async def on(fold: int) -> Verdict:
        verdict = await judge(search, Stage.NORTH_STAR, source, fold, split, of or search.final_folds)
        told(program_id, split, fold)
        return verdict

    guards = [judge(search, Stage.GUARD, source)] if guarded else []
    found = await asyncio.gather(*map(on, range(folds)), *guards)
    guard = found[folds] if guarded else UNGUARDED
    return Standing(program_id, tuple(found[:folds]), guard, broken(guard, search.limits))


def broken(guard: Verdict, limits: Mapping[str, float]) -> tuple[str, ...]:
    """A sentence for each guardrail that does not hold, or the reason why none could be measured."""
    if not guard.score:
        return (guard.reason,)
    found = readings(guard)
    return tuple(
        f"{name} is {found[name]:.3g}, more than the {limit:g} allowed"
        for name, limit in limits.items()
        if name in found and found[name] > limit
    )


def readings(guard: Verdict) -> dict[str, float]:
    """What guardrails may limit, by name: metrics and timings."""
    return {**{name: metric.value for name, metric in guard.metrics.items()}, **guard.timings}


class Promotions(Round):
    """Rounds on the selection split: the best elites of all islands are measured, once each."""

    def held(self, search: SearchContext, generation: int) -> bool:
        """Whether anybody was promoted then; production is, in the first round."""
        return bool(search.archive.promotions(generation))

    async def hold(self, search: SearchContext, generation: int, progress: Progress) -> None:
        """Measures the newcomers; with their verdicts goes what the round learnt about the proxy."""
        standings = await newcomers(search, generation, search.config.north_star.audits)
        made = tuple(rows(standings, generation))
        note = noted(search, generation, made, [one.program_id for one in standings if one.audited])
        search.archive.commit_round(generation, made, {note_name(generation): asdict(note)})
        line = f"{len(standings)} promoted{_ahead(search, generation)}"
        programs = [one.program_id for one in standings]
        progress.say("promoted", generation=generation, programs=programs, line=line)
        tell(search, note, progress)

    def best_known(self, search: SearchContext, until: int) -> Member | None:
        """The eligible program with the best mean on the selection split up to that generation."""
        return champion(search, until)


async def newcomers(search: SearchContext, generation: int, audits: int = 0) -> list[Standing]:
    """The standings, on the selection split, of the best elites that have none yet, and of production.

    `audits` more are drawn at random from the elites below: only so can be seen what the proxy misses.
    """
    seen = {promotion.program_id for promotion in search.archive.promotions()}
    fresh = [one for one in elites(search, generation) if one.program_id not in seen]
    slots, production = search.config.north_star.slots, search.seeds[0]
    below = [one for one in fresh[slots:] if one.program_id != production.id]
    audited = drawn(search, below, generation, audits)
    runners = {one.program_id: one.source for one in fresh[:slots]} | audited
    if production.id not in seen:
        runners.setdefault(production.id, production.source)
    return await standings_on(search, runners, audited, search.config.north_star.folds)


async def standings_on(
    search: SearchContext,
    runners: Mapping[str, str],
    audited: Container[str],
    folds: int,
    of: int | None = None,
) -> list[Standing]:
    """The standings of the runners, source by id, on the selection split; see `measure`.

    Marked where chance had them measured. ConfigError where production has no scores.
    """
    found = await asyncio.gather(
        *(measure(search, name, source, "selection", folds, of) for name, source in runners.items())
    )
    for one in found:
        if one.program_id == search.seeds[0].id:
            require_folds(search.task, one.folds)
            known = search.limits.keys() & readings(one.guard).keys()
            if search.limits and one.guard.metrics and not known:
                raise ConfigError(
                    f"the kind {search.task.kind} limits {', '.join(search.limits)}, but its guard returned "
                    f"{', '.join(one.guard.metrics)}: name what it returns in Task.guardrails"
                )
    return [replace(one, audited=one.program_id in audited) for one in found]


def drawn(search: SearchContext, below: Sequence[Member], generation: int, count: int) -> dict[str, str]:
    """Source by id of so many of the elites below the promoted as chance draws in a round."""
    places = generator(search.config.seed, "audits", generation).permutation(len(below))[:count]
    return {below[int(place)].program_id: below[int(place)].source for place in places}


def require_folds(task: Task, production: Sequence[Verdict]) -> None:
    """Raises ConfigError where the program in production failed the north star: nothing could be compared.

    So it does where the scores lack the metric that decides.
    """
    if not all(verdict.score for verdict in production):
        reasons = sorted({verdict.reason for verdict in production if verdict.reason})
        raise ConfigError(
            "seeds: the program in production fails the north star, so nothing can be compared with it: "
            + "; ".join(reasons)
        )
    decides = next(iter(task.metrics))
    for verdict in production:
        if decides not in verdict.metrics:
            raise ConfigError(
                f"{decides} decides, as the first metric of the kind {task.kind}, but its north star "
                f"returned {', '.join(verdict.metrics) or 'no metric'}: name there what it returns"
            )


def _ahead(search: SearchContext, generation: int) -> str:
    """The best program promoted so far and its gain over production with an interval, in words."""
    known = {one.program_id: one for one in standings_of(search, generation)}
    best, home = champion(search, generation), known.get(search.seeds[0].id)
    if best is None or home is None or not home.scores or best.program_id == home.program_id:
        return ""
    gain = paired(known[best.program_id].scores, home.scores)
    interval = f"[{gain.low:+.4f}, {gain.high:+.4f}]"
    return f", best {best.program_id}: {gain.estimate:+.4f} {interval} over production"


def rows(standings: Sequence[Standing], generation: int) -> Iterable[Promotion]:
    """The standings as the archive keeps them: one row per fold, and one for the guardrails."""
    for slot, standing in enumerate(standings):
        for fold, verdict in enumerate(standing.folds):
            yield Promotion(generation, slot, standing.program_id, "selection", fold, verdict)
        yield Promotion(generation, slot, standing.program_id, Stage.GUARD, 0, standing.guard)


def elites(search: SearchContext, generation: int) -> tuple[Member, ...]:
    """The members of all islands after that generation, each behaviour once, best proxy score first."""
    everyone: list[Member] = []
    for island, last in search.archive.generations().items():
        everyone += search.archive.population(island, min(last, generation))
    return ranked(distinct(rescored(search, everyone, generation)))


def standings_of(search: SearchContext, until: int) -> list[Standing]:
    """The standings of every program promoted up to that generation."""
    verdicts: dict[str, dict[tuple[str, int], Verdict]] = {}
    for promotion in search.archive.promotions():
        if promotion.generation <= until:
            place = (promotion.split, promotion.fold)
            verdicts.setdefault(promotion.program_id, {})[place] = promotion.verdict
    standings = []
    for program_id, known in verdicts.items():
        folds = tuple(known[place] for place in sorted(known) if place[0] == "selection")
        guard = known[Stage.GUARD, 0]
        standings.append(Standing(program_id, folds, guard, broken(guard, search.limits)))
    return standings


def champion(search: SearchContext, until: int) -> Member | None:
    """The eligible program with the best mean on the selection split up to that generation, or None."""
    best = max(
        (standing for standing in standings_of(search, until) if standing.eligible),
        key=lambda standing: (standing.mean, standing.program_id),
        default=None,
    )
    if best is None:
        return None
    born = finished(search.archive, best.program_id, search.last_stage)
    assert born is not None  # it was a member when it was promoted
    return member(born)


def banned(archive: Archive, until: int) -> set[str]:
    """Programs that the north star caught cheating up to that generation, and what they were cut from."""
    caught = {
        promotion.program_id
        for promotion in archive.promotions()
        if promotion.generation <= until and promotion.verdict.status is Status.CHEATED
    }
    tried = {one.program_id for one in archive.experiments().all()}
    cut = (one for name in sorted(caught & tried) for one in archive.ablations(name))
    return caught | {parent for one in cut for parent in one.program.parents}
