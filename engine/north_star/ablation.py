"""Ablation: the cause of a gain. Each edit of a winner is undone alone, and its effect is measured.

What does nothing is taken out, so that a patch holds no passengers; what is left is listed with its effect.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...evaluators.language.canonical import canonical
from ...evaluators.language.simplify import simplify
from ...evaluators.statistics import Interval
from ...population.archive.archive import Archive
from ...population.archive.views import ABLATION, Views
from ...population.values.evaluation import Evaluation, Stage
from ...population.values.program import Program
from ...population.values.verdict import Verdict
from ..loop.candidate import candidate, refused
from ..loop.context import SearchContext
from ..loop.evaluate import judge
from ..loop.proposer import Place
from .ast_diff import Hunk, hunks, together, undo
from .effects import north_star_effect, plain, proxy_effect
from .promotion import Standing, measure
from .reweighting import Weights, reweighted
from .rounds import weights_for

NOTHING = 0.05
"""Share of the winner's gain over its ancestor that an edit must be worth, or it may do nothing."""
TRIES = 3
"""How many sets of edits are taken out together before the winner is left as it is."""
MADE_BY = "ablation"
ROUND = "round"
"""In what is kept of an ablation: the generation of the round that made an experiment of its result."""
SAME_AS = "same_as"
"""In what a round keeps: the program that the simplified one only repeats, so that it was not tried."""


@dataclass(frozen=True)
class Edit:
    """One edit of a winner against its ancestor, and its effect: the winner's gain over itself without it.

    `proxy` is the gain on the last rung, `north_star` on the folds of the selection split where those were
    asked; positive: the edit helps. `reason` says why the edit could not be undone alone.
    """

    text: str
    proxy: Interval | None = None
    north_star: Interval | None = None
    reason: str = ""
    removed: bool = False

    @property
    def effect(self) -> Interval | None:
        """What decides: the north star where it was asked."""
        return self.north_star or self.proxy

    def to_json(self) -> dict[str, Any]:
        """The edit and its effect as JSON; numbers are null where it could not be undone alone."""
        effect = plain(self.effect) or {"estimate": None, "low": None, "high": None}
        return {
            "edit": self.text,
            "effect": effect["estimate"],
            "low": effect["low"],
            "high": effect["high"],
            "removed": self.removed,
            "reason": self.reason,
            "proxy": plain(self.proxy),
            "north_star": plain(self.north_star),
        }


@dataclass(frozen=True)
class Evidence:
    """What is known of the cause of a winner's gain over its ancestor.

    `gain` is the winner's over the ancestor, measured as the edits are. `simplified` is the winner without
    the edits that do nothing, with its standing under the north star; None where nothing was taken out.
    """

    program_id: str
    ancestor_id: str
    measure: str
    gain: Interval | None = None
    edits: tuple[Edit, ...] = ()
    simplified: Evaluation | None = None
    standing: Standing | None = None

    def untouched(self) -> "Evidence":
        """The evidence with the winner left as it is."""
        edits = tuple(replace(one, removed=False) for one in self.edits)
        return replace(self, edits=edits, simplified=None, standing=None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the simplified program goes by its id, see `keep`."""
        return {
            "program": self.program_id,
            "ancestor": self.ancestor_id,
            "measure": self.measure,
            "gain": plain(self.gain),
            "edits": [one.to_json() for one in self.edits],
            "simplified": self.simplified.program.id if self.simplified else None,
        }


@dataclass(frozen=True)
class _Judged:
    """A program as an ablation sees it; `reason` says why it has no verdicts."""

    source: str
    reason: str = ""
    proxy: Verdict | None = None
    folds: tuple[Verdict, ...] = ()
    behaviour: str = ""


def ancestor_of(search: SearchContext, program_id: str) -> Program:
    """The program in production where the program descends from it, else the seed at the end of its first
    parents; the program itself where it has none."""
    evaluations = {
        evaluation.program.id: evaluation.program for evaluation in search.archive.lineage(program_id)
    }
    if search.seeds[0].id in evaluations:
        return search.seeds[0]
    one = evaluations[program_id]
    while one.parents and one.parents[0] in evaluations:
        one = evaluations[one.parents[0]]
    return one


async def ablate(
    search: SearchContext, program: Program, ancestor: Program, generation: int | None = None
) -> Evidence:
    """The worth of each edit of a program against its ancestor, and the program without those worth nothing.

    At most `north_star.ablations` edits, or groups of neighbouring ones where there are more, are undone one
    by one. Every judgement goes through the ledger. An edit does nothing where its effect is below NOTHING of
    the gain and its interval does not lie above 0; such edits are taken out only where the program without
    all of them passes the same test and its selection folds show no loss beyond noise. Where the measure
    sees no gain to begin with, nothing is taken out by it. The proxy is the one of `generation`, which all
    islands have reached, or the one that the next generation of the run would have.
    """
    config = search.config.north_star
    layout = search.task.vocabulary.layout
    found = hunks(ancestor.source, program.source, layout.constants_parameter)
    evidence = Evidence(program.id, ancestor.id, config.ablate_on)
    if not found or not config.ablations or program.id == ancestor.id:
        return evidence
    if generation is None:
        generation = 1 + max(search.archive.generations().values())
    weights = weights_for(search, generation)
    groups = _groups(search, found, ancestor, program, config.ablations)
    winner, base, *without = await asyncio.gather(
        _judged(search, program.source, weights),
        _judged(search, ancestor.source, weights),
        *(_judged(search, source, weights) for source, _, _ in groups),
    )
    gain = _effect(winner, base)
    edits = [
        Edit(text, _proxy(winner, one), _star(winner, one), one.reason)
        for one, (_, text, _) in zip(without, groups, strict=True)
    ]
    evidence = replace(evidence, gain=gain, edits=tuple(edits))
    if gain is None or gain.estimate <= 0:
        return evidence
    least = NOTHING * gain.estimate
    idle = [place for place, one in enumerate(edits) if one.effect and _nothing(one.effect, least)]
    idle.sort(key=lambda place: _estimate(edits[place]))
    for _ in range(TRIES):
        if len(idle) == len(edits):  # without all of them it is its ancestor
            idle = idle[: len(idle) // 2]
        if not idle:
            break
        undone = frozenset().union(*(groups[place][2] for place in idle))
        left = undo(ancestor.source, program.source, undone, layout.constants_parameter)
        source = simplify(left, layout)
        shorter = await _judged(search, source, weights)
        effect = _effect(winner, shorter)
        if effect and _nothing(effect, least):
            return await _simplified(search, evidence, program, shorter, idle)
        idle = idle[: len(idle) // 2]
    return evidence


async def _simplified(
    search: SearchContext, evidence: Evidence, program: Program, shorter: _Judged, idle: Sequence[int]
) -> Evidence:
    """The evidence with the simplified program, unless the selection folds speak against it."""
    texts = [evidence.edits[place].text for place in idle]
    explanation = f"the winner without what does nothing: {'; '.join(texts)}"
    made = Program(program.kind, shorter.source, (program.id,), MADE_BY, explanation)
    folds = search.config.north_star.folds
    ours, theirs = await asyncio.gather(
        measure(search, made.id, made.source, "selection", folds),
        measure(search, program.id, program.source, "selection", folds),
    )
    same = canonical(made.source) == canonical(program.source)
    if same or not ours.eligible or not theirs.scores:
        return evidence
    if north_star_effect(ours.folds, theirs.folds).high < 0:
        return evidence
    born = search.archive.evaluations_of(program.id)[0]
    entry = candidate(search, Place(born.island, born.generation, born.slot), made)
    assert shorter.proxy is not None  # it was compared
    evaluation = entry.judged(shorter.proxy, search.last_stage, shorter.behaviour)
    edits = tuple(replace(one, removed=place in idle) for place, one in enumerate(evidence.edits))
    return replace(evidence, edits=edits, simplified=evaluation, standing=ours)


def keep(search: SearchContext, evidence: Evidence) -> None:
    """Commits the evidence; the simplified program can then be shown and exported like any other."""
    left = {evidence.program_id: evidence.simplified} if evidence.simplified else {}
    search.archive.conclude(ABLATION + evidence.program_id, evidence.to_json(), left)


def of_rounds(archive: Views) -> dict[str, Mapping[str, Any]]:
    """What promotion rounds kept of the elites whose edits they tried, by the elite."""
    kept = archive.conclusions(ABLATION).values()
    return {value["program"]: value for value in kept if ROUND in value}


def of_experiments(archive: Views) -> dict[str, Mapping[str, Any]]:
    """The same of those that became experiments, by the program that was tried."""
    kept = (value for value in of_rounds(archive).values() if SAME_AS not in value)
    return {value["simplified"] or value["program"]: value for value in kept}


def told(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What a report says of how its program came about, beside the edits."""
    found = {"ancestor": kept["ancestor"], "measured_by": kept["measure"]}
    return found | ({"simplified_from": kept["program"]} if kept["simplified"] else {})


def hand_on(source: Archive, rebuilt: Archive) -> None:
    """Copies what earlier conclusions of a run kept; the present one and rounds write their own anew."""
    for name, value in source.conclusions(ABLATION).items():
        if ROUND in value:
            continue
        # two winners may lose so much that the same program is left of both
        left = source.ablations(value["simplified"]) if value["simplified"] else ()
        own = [one for one in left if value["program"] in one.program.parents]
        rebuilt.conclude(name, value, dict(zip([value["program"]], own, strict=False)))


def _groups(
    search: SearchContext, found: Sequence[Hunk], ancestor: Program, program: Program, most: int
) -> list[tuple[str, str, frozenset[int]]]:
    """(source without them, text, numbers) of the edits: what cannot be told apart by its result is one."""
    layout = search.task.vocabulary.layout

    def without(numbers: frozenset[int]) -> str:
        return simplify(undo(ancestor.source, program.source, numbers, layout.constants_parameter), layout)

    whole = canonical(simplify(program.source, layout))
    alike: dict[str, frozenset[int]] = {}
    for number in range(len(found)):
        numbers = together(found, number)
        text = canonical(without(numbers))
        if text == whole and all(found[place].removal for place in numbers):
            continue  # what the winner took away and nothing of it reads
        alike[text] = alike.get(text, frozenset()) | numbers
    sets = list(dict.fromkeys(alike.values()))
    size = max(1, -(-len(sets) // most))
    sets = [frozenset().union(*sets[start : start + size]) for start in range(0, len(sets), size)]
    return [(without(one), _text(found, one), one) for one in sets]


def _text(found: Sequence[Hunk], numbers: frozenset[int]) -> str:
    """The edits in words; an operation that goes with the expression around it is not told apart."""
    return "; ".join(found[place].text for place in sorted(numbers) if found[place].part_of not in numbers)


async def _judged(search: SearchContext, source: str, weights: Weights | None) -> _Judged:
    """The program's rules, properties, last rung, and selection folds where those decide."""
    if reason := refused(source, search.task.rules):
        return _Judged(source, reason)
    examined = await judge(search, Stage.PROPERTIES, source)
    if not examined.score:
        return _Judged(source, examined.reason.partition("\n")[0])
    config = search.config.north_star
    folds, of = range(config.folds if config.ablate_on == "north_star" else 0), search.final_folds
    proxy, *stars = await asyncio.gather(
        judge(search, Stage.PROXY, source, search.rungs - 1),
        *(judge(search, Stage.NORTH_STAR, source, fold, "selection", of) for fold in folds),
    )
    failed = next((one.reason for one in (proxy, *stars) if not one.score), "")
    behaviour = str(examined.facts["behaviour"])
    return _Judged(source, failed, reweighted(proxy, weights), tuple(stars), behaviour)


def _proxy(winner: _Judged, other: _Judged) -> Interval | None:
    if winner.reason or other.reason or winner.proxy is None or other.proxy is None:
        return None
    return proxy_effect(winner.proxy, other.proxy)


def _star(winner: _Judged, other: _Judged) -> Interval | None:
    if winner.reason or other.reason or not winner.folds:
        return None
    return north_star_effect(winner.folds, other.folds)


def _effect(winner: _Judged, other: _Judged) -> Interval | None:
    return _star(winner, other) or _proxy(winner, other)


def _estimate(edit: Edit) -> float:
    return edit.effect.estimate if edit.effect else 0.0


def _nothing(effect: Interval, least: float) -> bool:
    """Whether what is lost with it is small, and not beyond noise above 0."""
    return effect.estimate <= least and effect.low <= 0
