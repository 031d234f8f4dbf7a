"""Cautions: what speaks against trusting a run, or one of its programs."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from ...population.archive.archive import Archive
from .alignment_table import words

FAILED = """
    SELECT json_extract(call, '$.model') AS model, json_extract(value, '$.outcome') AS outcome,
        json_extract(value, '$.reason') AS reason, count(*) AS proposals
    FROM ledger
    WHERE json_extract(call, '$.stage') = 'model'
        AND outcome IN ('timed_out', 'unavailable', 'rejected', 'capped')
    GROUP BY model, outcome, reason ORDER BY proposals DESC, model, outcome, reason
"""
SHOWN = 3
"""Reasons for which models gave no answer that a person is shown."""


def cautions(archive: Archive) -> dict[str, Any]:
    """`alarm`: why the proxy is no guide as of the last round, or ""; `unanswered`: a row for each reason
    for which a model gave no answer, the most frequent first, with `proposals`, how many it concerned."""
    heads = ("model", "outcome", "reason", "proposals")
    failed = [dict(zip(heads, row, strict=True)) for row in archive.connection.execute(FAILED)]
    return {"alarm": alarm(archive), "unanswered": failed}


def warned(facts: Mapping[str, Any]) -> list[Text]:
    """What `cautions` found, for a person, a line each."""
    lines = [f"ALARM: {facts['alarm']}"] if facts["alarm"] else []
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


def worse(arm: Mapping[str, Any]) -> list[str]:
    """The metrics in which an arm of the claim is worse than production beyond noise, each with its gain."""
    gains = {name: metric["gain"] for name, metric in arm.get("metrics", {}).items()}
    return [f"{name} {words(gain)}" for name, gain in gains.items() if gain["high"] < 0]
