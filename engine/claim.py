"""Claim: the conclusion of a finished search, from data that nothing else has touched."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..evaluators.statistics import Interval, paired, winner
from ..population.archive.archive import Archive
from ..population.values.program import Program
from ..population.values.verdict import Verdict
from .config.run_dir import REPORT
from .experiments import outcomes
from .experiments.round import rounds_of
from .loop.context import SearchContext
from .loop.events import Progress
from .north_star.ablation import Evidence, ablate, ancestor_of, keep
from .north_star.alignment import Elites, summary
from .north_star.promotion import Standing, measure, newcomers, require_folds, rows, standings_of

CONFIDENCE = 0.95


async def conclude(
    search: SearchContext,
    reason: str,
    claimed: Sequence[str],
    readings: Mapping[str, float],
    progress: Progress,
) -> dict[str, Any]:
    """The report of the run as JSON, committed under "report".

    Finalists are chosen on the selection split. The winner, the program in production and every other seed of
    the kind then meet the claim split; gains are the winner's (and each seed's) over production. `claimed`
    are the programs that earlier conclusions of this run measured on the same claim split: each further one
    widens the intervals (Bonferroni). `readings` are timings of the search, kept with the report's.
    """
    progress.say("concluding", line="choosing the winner on the selection split")
    last = max(search.archive.generations().values())
    fresh: list[Standing] = []
    rounds = rounds_of(search.config)
    if decided := rounds.winner(search):
        chosen, edits = decided
    else:
        fresh = await newcomers(search, last)
        finalists = [*standings_of(search, last), *fresh]
        chosen, evidence = await _explained(search, _choose(search, finalists), finalists, progress)
        edits = [edit.to_json() for edit in evidence.edits] if evidence else []
    progress.say("concluding", line=f"measuring {chosen['program']} on the claim split")
    sources = _sources(search, chosen["program"])
    standings = await asyncio.gather(
        *(measure(search, name, source, "claim", search.final_folds) for name, source in sources.items())
    )
    arms = {standing.program_id: standing for standing in standings}
    production = arms[search.seeds[0].id]
    looks = sorted({*claimed, chosen["program"]})
    confidence = 1 - (1 - CONFIDENCE) / len(looks)
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
        "production": _name_of(search, production.program_id),
        "winner": chosen,
        "edits": edits,
        "alignment": _alignment(search, fresh, last),
        "arms": [_arm(search, arms[one], production, chosen["program"], confidence) for one in sources],
    }
    if search.terms.estimate:
        report["estimate"] = search.terms.estimate
    report["gain"] = _verdict(search, report, arms[chosen["program"]])
    report |= rounds.told(search, report["gain"])
    timings = {
        **readings,
        "arms": {one: dict(arms[one].guard.timings) for one in sources},
    }
    search.archive.conclude(REPORT, {**report, "timings": timings})
    return {**report, "timings": timings}


def _choose(search: SearchContext, finalists: Sequence[Standing]) -> dict[str, Any]:
    """The finalist with the highest gain over production on the selection split, corrected for the choice.

    Production itself where nothing eligible is above it.
    """
    production = next(one for one in finalists if one.program_id == search.seeds[0].id)
    require_folds(search.task, production.folds)
    rivals = [one for one in finalists if one.scores and one is not production]
    refused = {one.program_id: [*one.broken, *_sunk(search, one, production)] for one in rivals}
    gains = {
        one.program_id: paired(one.scores, production.scores) for one in rivals if not refused[one.program_id]
    }
    found = {
        "finalists": len(finalists),
        "refused": {name: reasons for name, reasons in refused.items() if reasons},
    }
    if not any(gain.estimate > 0 for gain in gains.values()):
        return {"program": production.program_id, **found}
    best = winner(
        {name: gain.estimate for name, gain in gains.items()},
        {name: gain.error for name, gain in gains.items()},
        len(production.scores),
    )
    return {
        "program": best.name,
        **found,
        "selection_gain": best.naive,
        "selection_gain_shrunken": _interval(best.interval),
    }


async def _explained(
    search: SearchContext, chosen: dict[str, Any], finalists: Sequence[Standing], progress: Progress
) -> tuple[dict[str, Any], Evidence | None]:
    """(the choice, the worth of its edits): without the edits that do nothing where that costs nothing."""
    if "selection_gain" not in chosen or not search.config.north_star.ablations:
        return chosen, None
    progress.say("concluding", line=f"undoing each edit of {chosen['program']} alone")
    winner_id = chosen["program"]
    ancestor = ancestor_of(search, winner_id)
    evidence = await ablate(search, search.archive.program(winner_id), ancestor)
    production = next(one for one in finalists if one.program_id == search.seeds[0].id)
    if evidence.standing and _sunk(search, evidence.standing, production):
        evidence = evidence.untouched()
    keep(search, evidence)
    chosen |= {"ancestor": ancestor.id, "measured_by": evidence.measure}
    if evidence.simplified:
        chosen |= {"program": evidence.simplified.program.id, "simplified_from": winner_id}
    return chosen, evidence


def _alignment(search: SearchContext, fresh: Sequence[Standing], last: int) -> dict[str, Any] | None:
    """How well the proxy foretold the north star, the finalists measured just now included."""
    elites = Elites.of(search.archive, outcomes.live_effects(search.archive, search.config.online))
    if elites is None:
        return None
    measured = replace(elites, further=tuple(rows(fresh, last))).measured()
    return summary([point for point, _ in measured], search.config.seed)


def _sources(search: SearchContext, chosen: str) -> dict[str, str]:
    """Program id and source of every arm of the claim: winner, production, the kind's other seeds."""
    kind = search.task.kind
    arms = {chosen: search.archive.program(chosen).source, search.seeds[0].id: search.seeds[0].source}
    others = [*search.seeds[1:], *(Program(kind, source) for source in search.task.seeds.values())]
    return arms | {one.id: one.source for one in others if one.id not in arms}


def _sunk(
    search: SearchContext, arm: Standing, production: Standing, confidence: float = CONFIDENCE
) -> list[str]:
    """A sentence for each floor metric that is worse than production's beyond noise."""
    sentences = []
    for name in _metrics(search, arm, production):
        gain = _gain(search, name, arm, production, confidence)
        if name in search.task.floors and gain.high < 0:
            sentences.append(f"{name} is worse than production's beyond noise: {gain.estimate:+.4f}")
    return sentences


def _metrics(search: SearchContext, arm: Standing, production: Standing) -> list[str]:
    """The kind's metrics that every fold of both has, in the order that reports show them."""
    folds = (*arm.folds, *production.folds)
    return [name for name in search.task.metrics if all(name in verdict.metrics for verdict in folds)]


def _gain(
    search: SearchContext, metric: str, arm: Standing, production: Standing, confidence: float
) -> Interval:
    """The paired gain over production, positive is better."""
    pair = _values(arm.folds, metric), _values(production.folds, metric)
    return paired(*(pair if search.task.metrics[metric] else pair[::-1]), confidence)


def _arm(
    search: SearchContext, arm: Standing, production: Standing, chosen: str, confidence: float
) -> dict[str, Any]:
    """One row of the report: metrics on the claim split, and gains over production, better is positive."""
    row: dict[str, Any] = {
        "program": arm.program_id,
        "name": "winner"
        if arm.program_id == chosen != production.program_id
        else _name_of(search, arm.program_id),
        "guardrails_broken": list(arm.broken),
        "guard": {name: metric.value for name, metric in arm.guard.metrics.items()},
    }
    if not arm.scores:
        reasons = sorted({verdict.reason for verdict in arm.folds if verdict.reason})
        return {**row, "failed": "; ".join(reasons)}
    row["guardrails_broken"] += _sunk(search, arm, production, confidence)
    row["metrics"] = {}
    for name in _metrics(search, arm, production):
        values = _values(arm.folds, name)
        gain = _interval(_gain(search, name, arm, production, confidence))
        row["metrics"][name] = {"mean": sum(values) / len(values), "gain": gain}
    return row


def _verdict(search: SearchContext, report: Mapping[str, Any], arm: Standing) -> dict[str, Any]:
    """What may be claimed, in words and as data; the first metric of the kind decides."""
    name = next(iter(search.task.metrics))
    row = next(row for row in report["arms"] if row["program"] == arm.program_id)
    if report["winner"]["program"] == search.seeds[0].id:
        return {"beyond_noise": False, "sentence": "No gain: nothing beat the program in production."}
    if "failed" in row:
        return {"beyond_noise": False, "sentence": f"No gain: the winner failed the claim: {row['failed']}"}
    gain = row["metrics"][name]["gain"]
    figures = f"{gain['estimate']:+.5f} {name} [{gain['low']:+.5f}, {gain['high']:+.5f}]"
    if broken := row["guardrails_broken"]:
        return {"beyond_noise": False, "sentence": f"Refused by a guardrail: {'; '.join(broken)}"}
    what = "estimated gain" if search.terms.estimate else "gain beyond noise"
    found = gain["low"] > 0
    article = ("An" if search.terms.estimate else "A") if found else "No"
    return {"beyond_noise": found, "sentence": f"{article} {what} over {report['production']}: {figures}"}


def generations(archive: Archive) -> dict[str, int]:
    """The newest generation of each island, as a report names them."""
    return {str(island): last for island, last in archive.generations().items()}


def covers(archive: Archive, report: Mapping[str, Any]) -> bool:
    """Whether nothing happened since the report: no generation, and no word from outside."""
    seen = archive.experiments().now()
    return bool(report["generations"] == generations(archive)) and outcomes.seen(report) == seen


def _name_of(search: SearchContext, program_id: str) -> str:
    names = {Program(search.task.kind, source).id: name for name, source in search.task.seeds.items()}
    return names.get(program_id, program_id)


def _values(verdicts: Sequence[Verdict], metric: str) -> list[float]:
    return [verdict.metrics[metric].value for verdict in verdicts]


def _interval(interval: Interval) -> dict[str, float]:
    return {name: getattr(interval, name) for name in ("estimate", "low", "high", "confidence")}
