"""Finalists: who races for the claim, and whom the race chooses."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...evaluators.statistics import Interval, paired, winner
from ...population.values.evaluation import Stage
from ...population.values.program import Program
from ...population.values.verdict import Verdict
from ..loop.context import SearchContext
from ..loop.evaluate import judge
from ..loop.seeds import seed_name
from .decision import Rival
from .effects import plain
from .final_race import Raced, final_race, most_trainings
from .gains import gain, mean_fact, sunk
from .promotion import Standing
from .trainings import Trainings

ALIKE = 6
"""Decimals of a score in which programs differ at least; some edits change a last digit and nothing else."""


@dataclass(frozen=True)
class Finals:
    """What the final race came to.

    `evolved` are the finalists that may win, the best of the race first. `found` is what the report's
    "winner" says of all of them. `methods` are the known methods that the claim measures, the best of the
    race first and as many as there may be finalists: those that were not behind the best of the race, and the
    best of them all where it gained.
    """

    raced: Raced
    evolved: tuple[str, ...]
    found: Mapping[str, Any]
    methods: tuple[str, ...]


def methods_of(search: SearchContext) -> dict[str, Program]:
    """The known methods by id: the seeds of the run and of the kind, without the program in production."""
    known = [*search.seeds, *(Program(search.task.kind, source) for source in search.task.seeds.values())]
    return {one.id: one for one in known if one.id != search.seeds[0].id}


def name_of(search: SearchContext, program_id: str) -> str:
    """The name of a seed, of the kind or of a file, else the id."""
    names = {one.id: seed_name(one) for one in search.seeds}
    names |= {Program(search.task.kind, source).id: name for name, source in search.task.seeds.items()}
    return names.get(program_id, program_id)


async def race(search: SearchContext, promoted: Sequence[Standing], trainings: Trainings) -> Finals:
    """Who is left after the best promoted programs raced with production and the known methods.

    At most `finalists` of them race, best mean first. None that breaks a guardrail or a floor does, nor one
    that behaves as a known method: "equal" in the choice says what it equals. Of those that scored alike on
    every fold only the first does, and none that scored as production did.
    """
    production = next(one for one in promoted if one.program_id == search.seeds[0].id)
    methods = methods_of(search)
    rivals = [
        one for one in promoted if one.scores and one.program_id not in {production.program_id, *methods}
    ]
    refused = {one.program_id: [*one.broken, *sunk(search, one, production)] for one in rivals}
    fit = sorted(
        (one for one in rivals if not refused[one.program_id]), key=lambda one: (-one.mean, one.program_id)
    )
    sources = {one.program_id: search.archive.program(one.program_id).source for one in fit}
    equal = await equals(search, sources)
    fit = [one for one in fit if one.program_id not in equal]
    alike = {_rounded(one): one.program_id for one in [*reversed(fit), production]}
    most = search.config.north_star.finalists
    finalists = [one.program_id for one in fit if alike[_rounded(one)] == one.program_id]
    finalists = finalists[:most]
    entrants = {name: sources[name] for name in finalists} | {one.id: one.source for one in methods.values()}
    of_claim = (2 + min(len(methods), most)) * search.final_folds
    trainings.expect(
        f"{len(finalists)} finalists race with {len(methods)} known methods",
        most_trainings(search, len(entrants)) + of_claim,
    )
    raced = await final_race(search, entrants, methods.keys(), trainings)
    home = raced.standings[production.program_id]
    refused |= {name: sunk(search, raced.standings[name], home) for name in raced.ranked}
    ranked = [name for name in raced.ranked if not refused[name]]
    found = {
        "finalists": len(finalists),
        "refused": {name: reasons for name, reasons in refused.items() if reasons and name not in methods},
        "equal": equal,
    }
    known = [name for name in ranked if name in methods]
    best = [name for name in known[:1] if raced.standings[name].over(home) > 0]
    left = [name for name in known if name in best or name not in raced.behind]
    evolved = tuple(name for name in ranked if name in finalists)
    return Finals(raced, evolved, found, tuple(left[:most]))


def _rounded(one: Standing) -> tuple[float, ...]:
    return tuple(round(score, ALIKE) for score in one.scores)


def choose(search: SearchContext, raced: Raced, evolved: Sequence[str]) -> dict[str, Any]:
    """The report's "winner": the evolved program with the highest gain over production of those longest in
    the race, corrected for the choice; production itself where that is not above it."""
    production = raced.standings[search.seeds[0].id]
    folds = {name: len(raced.standings[name].scores) for name in evolved}
    gains = {name: paired(raced.standings[name].scores, production.scores[: folds[name]]) for name in evolved}
    most = max(folds.values(), default=0)
    left = {name for name in evolved if folds[name] == most}
    if not any(gains[name].estimate > 0 for name in left):
        return {"program": production.program_id}
    best = winner(
        {name: one.estimate for name, one in gains.items()},
        {name: one.error for name, one in gains.items()},
        most,
        left=left,
    )
    return {
        "program": best.name,
        "selection_gain": best.naive,
        "selection_gain_shrunken": as_json(best.interval),
    }


async def equals(search: SearchContext, sources: Mapping[str, str]) -> dict[str, str]:
    """What the programs, source by id, behave as: "equals adagrad at lr 0.06"; none that are their own."""
    home = search.seeds[0]
    known = {home.id: home, **methods_of(search)}

    async def examined(texts: Mapping[str, str]) -> dict[str, Verdict]:
        found = await asyncio.gather(*(judge(search, Stage.PROPERTIES, text) for text in texts.values()))
        return {name: verdict for name, verdict in zip(texts, found, strict=True) if verdict.score}

    methods = await examined({name: one.source for name, one in known.items()})
    by_behaviour = {str(verdict.facts["behaviour"]): name for name, verdict in reversed(methods.items())}
    found = {}
    for name, verdict in (await examined(sources)).items():
        if method := by_behaviour.get(str(verdict.facts["behaviour"])):
            rate = _rate(search, sources[name], verdict, methods[method])
            found[name] = f"equals {name_of(search, method)}{rate}"
    return found


def _rate(search: SearchContext, source: str, facts: Verdict, method_facts: Verdict) -> str:
    """At which learning rate of the method a program behaves as it; nothing where rates were not matched."""
    ours, theirs = (verdict.facts.get("matched_lr") for verdict in (facts, method_facts))
    if search.task.rate is None or not ours or not theirs:
        return ""
    return f" at lr {search.task.rate(source) * theirs / ours:.3g}"


def nearest(search: SearchContext, finals: Finals) -> Rival | None:
    """The best of the race, production apart, with its gain on the selection split; None where none ran."""
    standings = finals.raced.standings
    best = next(iter(finals.raced.ranked), None)
    if best is None:
        return None
    over = gain(search, next(iter(search.task.metrics)), standings[best], standings[search.seeds[0].id])
    return Rival(name_of(search, best), over)


def rows(search: SearchContext, finals: Finals) -> list[dict[str, Any]]:
    """The race as a report shows it: a row for each program, in the order that it ended."""
    raced, metric = finals.raced, next(iter(search.task.metrics))
    home = raced.standings[search.seeds[0].id]
    others = sorted(raced.standings.keys() - {home.program_id, *raced.ranked})
    found = []
    for name in (home.program_id, *raced.ranked, *others):
        one = raced.standings[name]
        measured = one.scores and metric in one.folds[0].metrics
        found.append(
            {
                "program": name,
                "name": name_of(search, name),
                "folds": len(one.folds),
                "gain": plain(gain(search, metric, one, home)) if measured and one is not home else None,
                "behind": name in raced.behind,
                "out": "; ".join(_reasons(search, one, home)),
                "lr_factor": mean_fact(one, "lr_factor"),
            }
        )
    return found


def _reasons(search: SearchContext, one: Standing, home: Standing) -> Sequence[str]:
    """Why a program may not win."""
    if not one.scores:
        return sorted({verdict.reason for verdict in one.folds if verdict.reason})
    return [*one.broken, *sunk(search, one, home)]


def as_json(interval: Interval) -> dict[str, float]:
    """The interval as reports hold it."""
    return {name: getattr(interval, name) for name in ("estimate", "low", "high", "confidence")}
