"""Claim: the conclusion of a finished search, from data that nothing else has touched."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..population.archive.archive import Archive
from .config.run_dir import REPORT
from .experiments import outcomes
from .experiments.round import rounds_of
from .loop.context import SearchContext
from .loop.events import Progress
from .north_star.ablation import ablate, ancestor_of, keep
from .north_star.alignment import Elites, summary
from .north_star.decision import Rival, Verb, decide, short
from .north_star.finalists import Finals, as_json, choose, equals, methods_of, name_of, nearest, race
from .north_star.finalists import rows as rows_of_race
from .north_star.gains import CONFIDENCE, gain, mean_fact, metrics_of, sunk, values
from .north_star.promotion import Standing, measure, newcomers, require_folds, rows, standings_of
from .north_star.trainings import Trainings

FACTS = ("best_epochs", "epochs", "lr_factor")
"""Facts of verdicts: after how many epochs a training was best, how many it had, and at which rate."""


async def conclude(
    search: SearchContext,
    reason: str,
    claimed: Sequence[str],
    readings: Mapping[str, float],
    progress: Progress,
) -> dict[str, Any]:
    """The report of the run as JSON, committed under "report".

    Finalists race on the selection split. The best evolved program, the program in production and the known
    methods that the race did not leave behind then meet the claim split, and the decision is made there.
    `claimed` are the programs that earlier conclusions of this run tested on the same claim split. There are
    at least two tests, of an evolved program and of a known method over production; each further program
    widens the intervals (Bonferroni). `readings` are timings of the search, kept with the report's.
    """
    progress.say("concluding", line="choosing finalists on the selection split")
    last = max(search.archive.generations().values())
    trainings = Trainings(search, progress)
    choice = await _chosen(search, last, trainings, progress)
    chosen, methods, home = choice.chosen, choice.methods, search.seeds[0]
    evolved = chosen["program"] if chosen["program"] != home.id else None
    arms = await _arms(search, evolved, methods, trainings)
    looks = sorted({*claimed, *([evolved] if evolved else []), *methods[:1]} - {home.id})
    confidence = 1 - (1 - CONFIDENCE) / max(2, len(looks))
    report: dict[str, Any] = {
        "reason": reason,
        "kind": search.task.kind,
        "data": search.terms.data,
        "fallback": search.config.data.source == search.config.data.fallback,
        "tier": search.terms.tier,
        "generations": generations(search.archive),
        "trials": search.archive.shares().evaluations,
        "confidence": confidence,
        "metrics": list(search.task.metrics),
        "claimed": looks,
        "claimed_before": list(claimed),
        "production": name_of(search, home.id),
        "winner": chosen,
        "edits": choice.edits,
        "alignment": _alignment(search, choice.fresh, last),
        "race": rows_of_race(search, choice.finals) if choice.finals else [],
        "arms": [_arm(search, arm, arms[home.id], chosen["program"], confidence) for arm in arms.values()],
    }
    if search.terms.estimate:
        report["estimate"] = search.terms.estimate
    report["gain"] = _verdict(search, report, chosen["program"])
    report |= rounds_of(search.config).told(search, report["gain"])
    report["decision"] = (
        _decision(search, report, arms, choice.finals, methods, evolved)
        if choice.finals
        else outcomes.decision(report)
    )
    timings = {**readings, "arms": {name: dict(arm.guard.timings) for name, arm in arms.items()}}
    search.archive.conclude(REPORT, {**report, "timings": timings})
    return {**report, "timings": timings}


@dataclass(frozen=True)
class Choice:
    """The program that meets the claim split, its edits and their effects, and the known methods beside it.

    `fresh` are finalists that were measured for the choice; no `finals` where experiments had decided.
    """

    chosen: dict[str, Any]
    edits: Sequence[Mapping[str, Any]]
    methods: Sequence[str]
    fresh: Sequence[Standing] = ()
    finals: Finals | None = None


async def _chosen(search: SearchContext, last: int, trainings: Trainings, progress: Progress) -> Choice:
    """The choice, by experiments that are decided or by the race on the selection split."""
    if decided := rounds_of(search.config).winner(search):
        return Choice(*decided, tuple(methods_of(search)))
    fresh = await newcomers(search, last)
    finals = await race(search, [*standings_of(search, last), *fresh], trainings)
    return Choice(*await _explained(search, finals, progress), finals.methods, fresh, finals)


async def _arms(
    search: SearchContext, evolved: str | None, methods: Sequence[str], trainings: Trainings
) -> dict[str, Standing]:
    """The evolved program, production and the known methods on the claim split, by program id."""
    home, known = search.seeds[0], methods_of(search)
    sources = {evolved: search.archive.program(evolved).source} if evolved else {}
    sources |= {home.id: home.source} | {name: known[name].source for name in methods if name != evolved}
    trainings.expect(f"the claim split: {len(sources)} programs", len(sources) * search.final_folds)
    standings = await asyncio.gather(
        *(
            measure(search, name, source, "claim", search.final_folds, told=trainings.told)
            for name, source in sources.items()
        )
    )
    arms = {standing.program_id: standing for standing in standings}
    require_folds(search.task, arms[home.id].folds)
    return arms


async def _explained(
    search: SearchContext, finals: Finals, progress: Progress
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the choice, its edits and their effects): without the edits that do nothing where that costs nothing.

    A program that is a known method without them is no choice: the next best takes its place.
    """
    left, equal, home = list(finals.evolved), dict(finals.found["equal"]), search.seeds[0]
    while True:
        found = {**finals.found, "equal": equal}
        chosen = {**choose(search, finals.raced, left), **found}
        winner_id = chosen["program"]
        if winner_id == home.id or not search.config.north_star.ablations:
            return chosen, []
        progress.say("concluding", line=f"undoing each edit of {winner_id} alone")
        ancestor = ancestor_of(search, winner_id)
        evidence = await ablate(search, search.archive.program(winner_id), ancestor)
        if evidence.standing and sunk(search, evidence.standing, finals.raced.standings[home.id]):
            evidence = evidence.untouched()
        keep(search, evidence)
        chosen |= {"ancestor": ancestor.id, "measured_by": evidence.measure}
        edits = [edit.to_json() for edit in evidence.edits]
        if not evidence.simplified:
            return chosen, edits
        simpler = evidence.simplified.program
        same = await equals(search, {simpler.id: simpler.source})
        if not same:
            return {**chosen, "program": simpler.id, "simplified_from": winner_id}, edits
        left.remove(winner_id)
        equal = {winner_id: same[simpler.id], **equal}


def _decision(
    search: SearchContext,
    report: Mapping[str, Any],
    arms: Mapping[str, Standing],
    finals: Finals,
    methods: Sequence[str],
    evolved: str | None,
) -> dict[str, Any]:
    """The decision as reports hold it, by the kind's first metric on the claim split."""
    metric, confidence = next(iter(search.task.metrics)), report["confidence"]
    home = arms[search.seeds[0].id]
    out = {row["program"]: row.get("failed") or "; ".join(row["guardrails_broken"]) for row in report["arms"]}
    ahead = arms[evolved] if evolved and not out[evolved] else None

    def rival(program_id: str) -> Rival:
        one = arms[program_id]
        lead = gain(search, metric, ahead, one, confidence) if ahead and ahead is not one else None
        return Rival(name_of(search, program_id), gain(search, metric, one, home, confidence), lead)

    made = decide(
        metric,
        report["production"],
        rival(ahead.program_id) if ahead else None,
        [rival(one) for one in methods if not out[one]],
        nearest(search, finals),
        bool(search.terms.estimate),
    )
    notes = [
        f"{short(name_of(search, one))} is out: {out[one]}" for one in (evolved, *methods) if one and out[one]
    ]
    notes += _cut(search)
    if made.verb is not Verb.LAUNCH:
        notes += [f"{short(one)} {words}" for one, words in report["winner"]["equal"].items()][:1]
    return {**made.to_json(), "line": "; ".join([made.line, *notes])}


def _cut(search: SearchContext) -> list[str]:
    """What was made smaller than asked for and bears on a decision, in a sentence; none where nothing was."""
    begun = search.archive.run()
    forecast = (begun and begun.config.get("forecast")) or {"changed": {}}
    changed, parts = forecast["changed"], []
    if epochs := changed.get("settings.epochs"):
        asked = epochs[0] or search.task.settings.model_fields["epochs"].default
        parts.append(f"trainings to {epochs[1]:.2g} of {asked:.3g} epochs")
    if "north_star.final_folds" in changed:
        parts.append(f"folds to {search.final_folds} of {search.terms.folds}")
    if not parts or "uncut" not in forecast:  # one that an earlier build made
        return []
    return [f"the budget cut {' and '.join(parts)}: about {forecast['uncut']:,.0f} s hold the run as asked"]


def _alignment(search: SearchContext, fresh: Sequence[Standing], last: int) -> dict[str, Any] | None:
    """How well the proxy foretold the north star, the finalists measured just now included."""
    elites = Elites.of(search.archive, outcomes.live_effects(search.archive, search.config.online))
    if elites is None:
        return None
    measured = replace(elites, further=tuple(rows(fresh, last))).measured()
    return summary([point for point, _ in measured], search.config.seed)


def _arm(
    search: SearchContext, arm: Standing, production: Standing, chosen: str, confidence: float
) -> dict[str, Any]:
    """One row of the report: metrics on the claim split, and gains over production, better is positive."""
    row: dict[str, Any] = {
        "program": arm.program_id,
        "name": "winner"
        if arm.program_id == chosen != production.program_id
        else name_of(search, arm.program_id),
        "guardrails_broken": list(arm.broken),
        "guard": {name: metric.value for name, metric in arm.guard.metrics.items()},
    }
    if not arm.scores:
        reasons = sorted({verdict.reason for verdict in arm.folds if verdict.reason})
        return {**row, "failed": "; ".join(reasons)}
    row["guardrails_broken"] += sunk(search, arm, production, confidence)
    row |= {name: mean for name in FACTS if (mean := mean_fact(arm, name)) is not None}
    row["metrics"] = {}
    for name in metrics_of(search, arm, production):
        found = values(arm.folds, name)
        over = as_json(gain(search, name, arm, production, confidence))
        row["metrics"][name] = {"mean": sum(found) / len(found), "gain": over}
    return row


def _verdict(search: SearchContext, report: Mapping[str, Any], chosen: str) -> dict[str, Any]:
    """What may be claimed, in words and as data; the first metric of the kind decides."""
    name = next(iter(search.task.metrics))
    row = next(row for row in report["arms"] if row["program"] == chosen)
    if chosen == search.seeds[0].id:
        return {"beyond_noise": False, "sentence": "No gain: nothing beat the program in production."}
    if "failed" in row:
        return {"beyond_noise": False, "sentence": f"No gain: the winner failed the claim: {row['failed']}"}
    over = row["metrics"][name]["gain"]
    figures = f"{over['estimate']:+.5f} {name} [{over['low']:+.5f}, {over['high']:+.5f}]"
    if broken := row["guardrails_broken"]:
        return {"beyond_noise": False, "sentence": f"Refused by a guardrail: {'; '.join(broken)}"}
    what = "estimated gain" if search.terms.estimate else "gain beyond noise"
    found = over["low"] > 0
    article = ("An" if search.terms.estimate else "A") if found else "No"
    return {"beyond_noise": found, "sentence": f"{article} {what} over {report['production']}: {figures}"}


def generations(archive: Archive) -> dict[str, int]:
    """The newest generation of each island, as a report names them."""
    return {str(island): last for island, last in archive.generations().items()}


def covers(archive: Archive, report: Mapping[str, Any]) -> bool:
    """Whether nothing happened since the report: no generation, and no word from outside."""
    seen = archive.experiments().now()
    return bool(report["generations"] == generations(archive)) and outcomes.seen(report) == seen
