"""Outcomes: what experiments came to. The run's winner, what a report says, what a proxy may learn."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ...evaluators.statistics import Interval
from ...population.archive.archive import Archive
from ...population.archive.experiments import effects as newest
from ...population.values.experiment import Experiment, Look, Mark, State
from ..config.experiments import Online
from ..loop.context import SearchContext
from ..north_star.decision import Decision, Verb
from ..north_star.effects import normal

NOT_LIVE = {"simulator": "in the simulator, not live: ", "replay": "on the replayed log, not live: "}
"""Where a program was launched that no person has met, by who answered."""


def live_effects(
    archive: "Archive", rules: Online, looks: Iterable[Look] | None = None
) -> dict[str, Interval]:
    """The effects that live users gave, by program, each with an ordinary interval of 95 % for one look."""
    book = archive.experiments()
    gains = newest(book.looks() if looks is None else looks, rules.deciding)
    found = {}
    for one in book.all():
        gain = gains.get(one.id)
        if one.backend == "live" and gain is not None and gain.error is not None:
            found[one.program_id] = normal(gain.estimate, gain.error, gain.count)
    return found


def choose(search: SearchContext) -> dict[str, Any]:
    """The run's winner by its experiments: of those launched, else of those won, the one that gains most.

    Production itself where there is none.
    """
    book = search.archive.experiments()
    gains = newest(book.looks(), search.config.online.deciding)
    everyone = book.all()
    won = [one for one in everyone if one.won]
    best = max(
        won, key=lambda one: (one.state is State.LAUNCHED, gains[one.id].estimate, one.id), default=None
    )
    found = {"finalists": len(everyone), "refused": {}}
    if best is None:
        return {"program": search.seeds[0].id, **found}
    return {"program": best.program_id, "experiment": best.id, **found}


def reported(
    search: SearchContext, gain: Mapping[str, Any], causes: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The parts of a report on experiments: `gain` with the launch in its sentence, and `online`.

    `causes` are the edits of programs that were tried, and their worth, as rounds kept them.
    """
    book = search.archive.experiments()
    rows = table(search.archive, search.config.online)
    rows = [row | {"edits": causes.get(row["program"], {}).get("edits", [])} for row in rows]
    launched = [row for row in rows if row["state"] == State.LAUNCHED]
    wins = [row for row in rows if row["state"] == State.DECIDED and row["outcome"] == "win"]
    if launched:
        best = max(launched, key=lambda row: (row["effect"], row["experiment"]))
        where = NOT_LIVE.get(best["backend"], "")
        sentence = f"Launched {where}{best['program']} (experiment {best['experiment']}, {_figures(best)}). "
    elif wins:
        best = max(wins, key=lambda row: (row["effect"], row["experiment"]))
        sentence = (
            f"{best['program']} won experiment {best['experiment']} ({_figures(best)}) and waits for "
            f"`recevolve online launch RUN {best['experiment']} --approve`. "
        )
    else:
        waiting = sum(row["state"] in (State.TRAINING, State.LIVE) for row in rows)
        sentence = f"No launch: {len(rows)} experiments, {waiting} of them undecided, none won."
    claim = gain["sentence"] if launched or wins else ""
    return {
        "gain": {**gain, "sentence": sentence + claim},
        "online": {
            "backend": search.config.online.backend,
            "experiments": rows,
            "launched": [row["experiment"] for row in launched],
            "seen": asdict(book.now()),
        },
    }


def decision(report: Mapping[str, Any]) -> dict[str, Any]:
    """The decision of a report on experiments: to launch what was launched, else to keep production."""
    launched = bool(report["online"]["launched"])
    program = report["winner"]["program"] if launched else report["production"]
    verb = Verb.LAUNCH if launched else Verb.KEEP
    return Decision(verb, program, f"{verb} {program}: {report['gain']['sentence']}").to_json()


def seen(report: Mapping[str, Any]) -> Mark:
    """How far a report knew the outside world."""
    return Mark(**report["online"]["seen"]) if "online" in report else Mark()


def table(archive: "Archive", rules: Online) -> list[dict[str, Any]]:
    """One row for each experiment, in order of number: how far it is, what it gains, why."""
    book = archive.experiments()
    looks = book.looks()
    gains = newest(looks, rules.deciding)
    counts = {one.experiment: one.number + 1 for one in looks}  # the newest stands last
    return [_row(one, gains.get(one.id), counts.get(one.id, 0)) for one in book.all()]


def _row(one: Experiment, gain: Look | None, looks: int) -> dict[str, Any]:
    return {
        "experiment": one.id,
        "program": one.program_id,
        "backend": one.backend,
        "state": str(one.state),
        "outcome": str(one.outcome),
        "effect": gain.estimate if gain else None,
        "low": gain.low if gain else None,
        "high": gain.high if gain else None,
        "error": gain.error if gain else None,
        "p": gain.p if gain else None,
        "units": gain.count if gain else 0,
        "level": one.alpha,
        "looks": looks,
        "reason": one.reason,
    }


def _figures(row: Mapping[str, Any]) -> str:
    return f"{row['effect']:+.4g} [{row['low']:+.4g}, {row['high']:+.4g}] over production"
