"""Alignment: how well the proxy foretold the north star, over every elite that had both measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...evaluators.statistics import Interval, spearman_interval
from ...population.archive.views import Views
from ...population.island.randomness import generator
from ...population.values.evaluation import Evaluation, Promotion, Stage
from ...population.values.verdict import Verdict
from ..config.config import parse
from .effects import difference, north_star_effect, plain, proxy_effect
from .reweighting import Weights, index, unweighted

ENOUGH = 5
"""Elites below which a rank correlation says too little to be shown."""
STEADY = 8
"""Elites on either side below which a fall of the correlation is not spoken of."""
SELECTION = "selection"


@dataclass(frozen=True)
class Point:
    """One elite: its effects over production, positive is better, and the round that measured it.

    `proxy` is the plain proxy's effect on the last rung. `used` is that of the score which the search went by
    when the elite was promoted: re-weighted by what earlier rounds taught, else the same. `audited` marks a
    program drawn at random from those that the proxy left below the promoted. `source` names what measured
    the north star.
    """

    program_id: str
    generation: int
    proxy: Interval
    used: Interval
    north_star: Interval
    audited: bool = False
    source: str = SELECTION
    over_best: Interval | None = None
    """For an audited program: its north star over that of the best program promoted in the same round."""

    @property
    def false_promotion(self) -> str:
        """What the north star said of what the proxy held better beyond noise; "" where it agreed."""
        if self.used.low <= 0 or self.north_star.low > 0:
            return ""
        return "worse beyond noise" if self.north_star.high < 0 else "no better beyond noise"

    @property
    def missed_winner(self) -> str:
        """Whom an audited program beats that the proxy did not promote: "" where nobody."""
        if not self.audited or self.north_star.low <= 0:
            return ""
        if self.over_best is None or self.over_best.estimate <= 0:
            return ""
        return "production and the best promoted" if self.over_best.low > 0 else "production"


@dataclass(frozen=True)
class RoundNote:
    """What a round noted: whom it audited, the weights that it taught, and its alarm, "" for none."""

    generation: int
    audited: tuple[str, ...] = ()
    weights: Weights | None = None
    alarm: str = ""
    correlation: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RoundNote":
        """The note from the values by name that an archive keeps."""
        weights = Weights.from_json(data["weights"]) if data["weights"] else None
        return cls(**{**data, "weights": weights, "audited": tuple(data["audited"])})


NOTE = "round "
"""How the names of what rounds noted begin."""


def note_name(generation: int) -> str:
    """The name of the conclusion under which an archive keeps what the round of a generation noted."""
    return f"{NOTE}{generation}"


def round_before(generation: int, every: int) -> int:
    """The generation of the last round before this one; below 0 before the first."""
    return (generation - 1) // every * every


def note_at(archive: Views, generation: int) -> RoundNote:
    """What the round of that generation noted; nothing where it noted nothing."""
    noted = archive.conclusion(note_name(generation))
    return RoundNote.from_json(noted) if noted else RoundNote(generation)


def finished(archive: Views, program_id: str, stage: str) -> Evaluation | None:
    """The evaluation that ran the race to its last rung, `stage`, or one that took the verdict of such."""
    # what a round simplified may be the text of an evaluation that lost its race
    return _finished(archive.evaluations_of(program_id), stage) or _finished(
        archive.ablations(program_id), stage
    )


def _finished(evaluations: Sequence[Evaluation], stage: str) -> Evaluation | None:
    scored = [one for one in evaluations if one.verdict.score]
    ran = (one for one in scored if one.stage == stage)
    return next(ran, next((one for one in scored if one.stage == Stage.DUPLICATE), None))


@dataclass(frozen=True)
class Elites:
    """The promoted programs of an archive, and how they were judged.

    `further` are north-star verdicts that the archive does not hold yet, `simplified` the evaluations
    of programs that it does not hold yet. `live` are north-star effects from experiments, by program: they
    take the place of those measured on the selection split.
    """

    archive: Views
    stage: str
    every: int
    production: str
    further: tuple[Promotion, ...] = ()
    audited: frozenset[str] = frozenset()
    live: Mapping[str, Interval] = field(default_factory=dict)
    simplified: tuple[Evaluation, ...] = ()

    @classmethod
    def of(cls, archive: Views, live: Mapping[str, Interval] | None = None) -> "Elites | None":
        """Those of a run's archive; None before its first generation is there."""
        begun = archive.run()
        if begun is None or archive.last_generation(0) is None:
            return None
        config = parse(begun.config["config"])
        stage = Stage.PROXY.rung(min(config.proxy.rungs, begun.config["terms"]["rungs"]) - 1)
        first = archive.evaluations(0, 0)[0].program.id
        return cls(archive, stage, config.north_star.every, first, live=live or {})

    def measured(self, until: int | None = None) -> tuple[tuple[Point, Verdict], ...]:
        """Each elite with its plain verdict of the last rung, in order of promotion.

        Left out are production itself and what failed on the last rung or on a fold.
        """
        folds = self._folds(until)
        base = finished(self.archive, self.production, self.stage)
        home = folds.pop(self.production, None)
        if base is None or home is None:
            return ()
        notes = {generation: note_at(self.archive, generation) for generation, _ in folds.values()}
        best = self._best(folds, notes, home[1])
        fresh = {one.program.id: one for one in self.simplified}
        found = []
        for program_id, (generation, verdicts) in folds.items():
            born = finished(self.archive, program_id, self.stage) or fresh.get(program_id)
            if born is None or not all(one.score for one in verdicts):
                continue
            ours, theirs = unweighted(born.verdict), unweighted(base.verdict)
            weights = note_at(self.archive, round_before(generation, self.every)).weights
            point = Point(
                program_id,
                generation,
                proxy_effect(ours, theirs),
                _used(ours, theirs, weights),
                _shared(verdicts, home[1]),
                self._audits(program_id, notes[generation]),
            )
            if point.audited and generation in best:
                point = replace(point, over_best=_shared(verdicts, best[generation]))
            if program_id in self.live:
                point = replace(point, north_star=self.live[program_id], source="live", over_best=None)
            found.append((point, ours))
        return tuple(found)

    def _audits(self, program_id: str, note: RoundNote) -> bool:
        return program_id in note.audited or program_id in self.audited

    def _folds(self, until: int | None) -> dict[str, tuple[int, list[Verdict]]]:
        """Each promoted program with its generation and its verdict on each fold of the selection split."""
        found: dict[str, tuple[int, dict[int, Verdict]]] = {}
        for one in (*self.archive.promotions(), *self.further):
            if one.split == SELECTION and (until is None or one.generation <= until):
                found.setdefault(one.program_id, (one.generation, {}))[1][one.fold] = one.verdict
        return {
            name: (generation, [verdicts[fold] for fold in sorted(verdicts)])
            for name, (generation, verdicts) in found.items()
        }

    def _best(
        self,
        folds: Mapping[str, tuple[int, list[Verdict]]],
        notes: Mapping[int, RoundNote],
        home: Sequence[Verdict],
    ) -> dict[int, list[Verdict]]:
        """The verdicts of the best program that each round promoted for its proxy."""
        best: dict[int, tuple[float, list[Verdict]]] = {}
        for program_id, (generation, verdicts) in folds.items():
            if self._audits(program_id, notes[generation]) or not all(one.score for one in verdicts):
                continue
            gain = _shared(verdicts, home).estimate
            if generation not in best or gain > best[generation][0]:
                best[generation] = gain, verdicts
        return {generation: verdicts for generation, (_, verdicts) in best.items()}


def _shared(ours: Sequence[Verdict], theirs: Sequence[Verdict]) -> Interval:
    """The effect on the folds that both have: experiments take them from the first on, some not far."""
    both = min(len(ours), len(theirs))
    return north_star_effect(ours[:both], theirs[:both])


def _used(ours: Verdict, theirs: Verdict, weights: Weights | None) -> Interval:
    """The effect by the score that the search went by."""
    if weights is None or not weights.share:
        return proxy_effect(ours, theirs)
    return difference(index(ours, weights), index(theirs, weights))


def correlation(points: Sequence[Point], seed: int, *, plain_proxy: bool = False) -> Interval | None:
    """Spearman's rank correlation of proxy and north star with a bootstrap interval; None of too few.

    By the score that the search used, or by the plain proxy. Too few: below ENOUGH, or one of them constant.
    """
    first = [(one.proxy if plain_proxy else one.used).estimate for one in points]
    second = [one.north_star.estimate for one in points]
    if len(points) < ENOUGH or len(set(first)) < 2 or len(set(second)) < 2:
        return None
    return spearman_interval(first, second, generator(seed, "alignment"))


def alarm(points: Sequence[Point], threshold: float, seed: int) -> str:
    """Why the proxy should not be trusted further, in one sentence; "" where nothing speaks against it.

    The correlation of the latest rounds lies below the threshold, or below that of the earlier ones,
    interval against interval. The latest are as few rounds as have STEADY elites.
    """
    latest = _latest(points)
    earlier = [one for one in points if one.generation < min(each.generation for each in latest)]
    after, before = correlation(latest, seed), correlation(earlier, seed)
    if after is None:
        return ""
    ranks = f"rank correlation {_interval(after)} since generation {latest[0].generation}"
    if after.high < threshold:
        return f"the proxy orders elites against the north star: {ranks}, all of it below {threshold:g}"
    if before is not None and len(earlier) >= STEADY <= len(latest) and after.high < before.low:
        return f"the proxy orders elites worse than it did: {ranks}, {_interval(before)} before"
    return ""


def _latest(points: Sequence[Point]) -> list[Point]:
    """The elites of as few of the latest rounds as have STEADY of them, or all."""
    for start in sorted({one.generation for one in points}, reverse=True):
        latest = [one for one in points if one.generation >= start]
        if len(latest) >= STEADY:
            return latest
    return list(points)


def _interval(interval: Interval) -> str:
    return f"{interval.estimate:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"


def summary(points: Sequence[Point], seed: int) -> dict[str, Any]:
    """The alignment gap of a run as JSON: correlations, false promotions, missed winners, every elite.

    `taught` compares the re-weighted proxy with the plain one over the elites that were promoted by weights
    from earlier rounds alone; null where there are none.
    """
    generations = sorted({one.generation for one in points})

    def row(generation: int, part: Sequence[Point]) -> dict[str, Any]:
        return {"generation": generation, "elites": len(part), "correlation": plain(correlation(part, seed))}

    taught = [one for one in points if one.used != one.proxy]
    return {
        "elites": [_row(one) for one in points],
        "correlation": plain(correlation(points, seed)),
        "taught": {
            "elites": len(taught),
            "reweighted": plain(correlation(taught, seed)),
            "plain": plain(correlation(taught, seed, plain_proxy=True)),
        }
        if taught
        else None,
        "by_generation": [row(g, [one for one in points if one.generation == g]) for g in generations],
        "cumulative": [row(g, [one for one in points if one.generation <= g]) for g in generations],
        "false_promotions": [_row(one) for one in points if one.false_promotion],
        "missed_winners": [_row(one) for one in points if one.missed_winner],
        "audited": sum(one.audited for one in points),
        "sentence": _sentence(points, correlation(points, seed)),
    }


def _row(point: Point) -> dict[str, Any]:
    return {
        "program": point.program_id,
        "generation": point.generation,
        "audited": point.audited,
        "source": point.source,
        "proxy": plain(point.proxy),
        "used": plain(point.used),
        "north_star": plain(point.north_star),
        "over_best": plain(point.over_best),
        "false_promotion": point.false_promotion,
        "missed_winner": point.missed_winner,
    }


def _sentence(points: Sequence[Point], whole: Interval | None) -> str:
    """The gap in one line."""
    held = [one for one in points if one.used.low > 0]
    wrong = sum(one.false_promotion == "worse beyond noise" for one in held)
    unproven = sum(one.false_promotion == "no better beyond noise" for one in held)
    audits = [one for one in points if one.audited]
    missed = sum(bool(one.missed_winner) for one in audits)
    ranks = (
        f"rank correlation of proxy and north star {_interval(whole)}"
        if whole
        else "too few for a correlation"
    )
    promoted = f"{len(held)} that the proxy held better, {wrong} worse beyond noise and {unproven} unproven"
    drawn = f"{missed} of {len(audits)} audited were missed winners" if audits else "none audited"
    return f"{len(points)} elites, {ranks}; of {promoted}; {drawn}"
