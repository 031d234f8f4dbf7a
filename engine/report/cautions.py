"""Cautions: what speaks against trusting a run, or one of its programs."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from ...population.archive.archive import Archive
from ..config.run_dir import REPORT
from .alignment_table import words

FAILED = """
    SELECT json_extract(call, '$.model') AS model, json_extract(value, '$.outcome') AS outcome,
        json_extract(value, '$.reason') AS reason, count(*) AS proposals
    FROM ledger
    WHERE json_extract(call, '$.stage') = 'model'
        AND outcome IN ('timed_out', 'unavailable', 'rejected', 'capped')
    GROUP BY model, outcome, reason ORDER BY proposals DESC, model, outcome, reason
"""
ENDED = 0.95
"""The share of a training's length from which on its best checkpoint, the mean over folds, is its last."""
SHOWN = 3
"""Reasons for which models gave no answer that a person is shown."""


def cautions(archive: Archive) -> dict[str, Any]:
    """`alarm`: why the proxy is no guide as of the last round, or ""; `lengths`: sentences on trainings that
    were too short or too long to tell; `unanswered`: a row for each reason for which a model gave no answer,
    the most frequent first, with `proposals`, how many it concerned."""
    heads = ("model", "outcome", "reason", "proposals")
    failed = [dict(zip(heads, row, strict=True)) for row in archive.connection.execute(FAILED)]
    return {"alarm": alarm(archive), "lengths": lengths(archive), "unanswered": failed}


def warned(facts: Mapping[str, Any]) -> list[Text]:
    """What `cautions` found, for a person, a line each."""
    lines = [f"ALARM: {facts['alarm']}"] if facts["alarm"] else []
    lines += [f"CAUTION: {sentence}" for sentence in facts["lengths"]]
    for row in facts["unanswered"][:SHOWN]:
        what = f"{row['proposals']:,} proposals of {row['model']} went unanswered ({row['outcome']})"
        lines.append(f"{what}: {row['reason']}")
    return [Text(line, style="bold red") for line in lines]


def alarm(archive: Archive) -> str:
    """What the last round said against the proxy; "" where it said nothing."""
    # a glance at a run should not wait for what rounds compute with
    from ..north_star.alignment import NOTE

    newest = max(archive.conclusions(NOTE).values(), key=lambda note: note["generation"], default=None)
    return str(newest.get("alarm", "")) if newest else ""


def lengths(archive: Archive) -> list[str]:
    """What the lengths of trainings may have hidden, where the kind trains and the run has its report."""
    begun, report = archive.run(), archive.conclusions(REPORT).get(REPORT, {"arms": []})
    *_, last, star = ((begun and begun.config.get("forecast")) or {}).get("epochs") or (0.0, 0.0)
    found = []
    if last > 1:
        found.append(
            f"the last rung sees each training row {last:.2g} times: what gains there may only have learnt "
            "to stop in time"
        )
    for arm in report["arms"]:
        if arm["name"] == report["production"] and arm.get("best_epochs", 0.0) > ENDED * arm.get(
            "epochs", 1.0
        ):
            found.append(
                f"{arm['name']}, in production, is still learning at the end of its trainings, after "
                f"{star:.2g} epochs: another program may be ahead at full length. A larger budget.seconds "
                "allows longer ones, up to the kind's `epochs`"
            )
    return found


def worse(arm: Mapping[str, Any]) -> list[str]:
    """The metrics in which an arm of the claim is worse than production beyond noise, each with its gain."""
    gains = {name: metric["gain"] for name, metric in arm.get("metrics", {}).items()}
    return [f"{name} {words(gain)}" for name, gain in gains.items() if gain["high"] < 0]
