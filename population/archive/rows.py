"""Rows: evaluations and promotions as the tables hold them, and back."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..values.evaluation import Evaluation, Promotion
from ..values.measurement import Measurement
from ..values.member import Member
from ..values.origin import Origin, Spend
from ..values.program import Program
from ..values.verdict import Verdict
from .ledger import apart, canonical, together

Row = dict[str, Any]

EVALUATION = """
    SELECT evaluations.*, programs.kind, programs.source
    FROM evaluations JOIN programs ON programs.id = evaluations.program
"""


PLAIN = ("island", "generation", "slot", "syntax_hash", "behaviour", "duplicate_of", "size", "stage")
"""Fields of an evaluation that are columns as they are."""
MADE = ("proposer", "quota", "outcome", "stand_in", "credit")
"""The same of its origin."""


def insert(connection: sqlite3.Connection, table: str, rows: Sequence[Row], conflict: str = "") -> None:
    """Inserts the rows, which have equal columns; `conflict` is SQL such as "OR IGNORE"."""
    if rows:
        columns = ", ".join(f'"{name}"' for name in rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        sql = f"INSERT {conflict} INTO {table} ({columns}) VALUES ({values})"
        connection.executemany(sql, rows)


def query(connection: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> list[Row]:
    """The rows of a question, by column."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return [dict(row) for row in cursor.execute(sql, values)]


def program_row(evaluation: Evaluation) -> Row:
    """The evaluation's program by column of `programs`."""
    row = evaluation_row(evaluation)
    return {"id": row["program"], "syntax_hash": row["syntax_hash"], **_text(evaluation.program)}


def evaluation_row(evaluation: Evaluation) -> Row:
    """The evaluation by column of `evaluations`; the verdict's timings stay in the ledger."""
    program, origin, verdict = evaluation.program, evaluation.origin, evaluation.verdict.to_json()
    score, spread, count = verdict["score"] or (None, None, None)
    return {
        **{name: getattr(evaluation, name) for name in PLAIN},
        "program": program.id,
        "parents": canonical(program.parents),
        "made_by": program.made_by,
        "explanation": program.explanation,
        "cell": canonical(evaluation.cell),
        "status": verdict["status"],
        "score": score,
        "spread": spread,
        "count": count,
        "reason": verdict["reason"],
        "metrics": canonical(verdict["metrics"]),
        "facts": canonical(verdict["facts"]),
        **{name: getattr(origin, name) for name in MADE},
        "spend": canonical(origin.spend.to_json()),
    }


def evaluation_of(row: Mapping[str, Any]) -> Evaluation:
    """The evaluation of a row of EVALUATION."""
    parents = tuple(json.loads(row["parents"]))
    scored = row["score"] is not None
    verdict = {
        "status": row["status"],
        "score": [row["score"], row["spread"], row["count"]] if scored else None,
        "reason": row["reason"],
        "metrics": json.loads(row["metrics"]),
        "facts": json.loads(row["facts"]),
        "timings": {},
    }
    spend = Spend(**json.loads(row["spend"]))
    return Evaluation(
        **{name: row[name] for name in PLAIN},
        program=Program(row["kind"], row["source"], parents, row["made_by"], row["explanation"]),
        verdict=Verdict.from_json(verdict),
        cell=tuple(json.loads(row["cell"])),
        origin=Origin(**{name: row[name] for name in MADE}, spend=spend),
    )


def _text(program: Program) -> Row:
    return {"kind": program.kind, "source": program.source}


def ablation_row(winner: str, evaluation: Evaluation) -> Row:
    """What an ablation left of `winner`, by column of `ablations`; `evaluation_of` reads it."""
    return {"winner": winner, **_text(evaluation.program), **evaluation_row(evaluation)}


def conclusion_row(name: str, value: Mapping[str, Any], created: str) -> Row:
    """The conclusion by column of `conclusions`."""
    rest, timings = apart(value)
    return {"name": name, "value": rest, "timings": timings, "created": created}


def promotion_row(promotion: Promotion, created: str) -> Row:
    """The promotion by column of `promotions`."""
    verdict, timings = apart(promotion.verdict.to_json())
    return {
        "generation": promotion.generation,
        "slot": promotion.slot,
        "program": promotion.program_id,
        "split": str(promotion.split),
        "fold": promotion.fold,
        "status": str(promotion.verdict.status),
        "score": promotion.verdict.score.value if promotion.verdict.score else None,
        "verdict": verdict,
        "timings": timings,
        "created": created,
    }


def promotion_of(row: Mapping[str, Any]) -> Promotion:
    """The promotion of a row of `promotions`."""
    verdict = Verdict.from_json(together(row["verdict"], row["timings"]))
    return Promotion(row["generation"], row["slot"], row["program"], row["split"], row["fold"], verdict)


def population_text(members: tuple[Member, ...]) -> str:
    """The members as canonical JSON, without their sources, which `programs` holds."""
    names = ("score", "behaviour", "cell", "size")
    return canonical(
        [{"program": one.program_id, **{name: getattr(one, name) for name in names}} for one in members]
    )


def member_of(place: Mapping[str, Any], source: str) -> Member:
    """The member of one place of a population's JSON."""
    cell = tuple(place["cell"])
    return Member(place["program"], source, place["score"], place["behaviour"], cell, place["size"])


def measurement_row(one: Measurement, created: str) -> Row:
    """The measurement by column of `measurements`."""
    row = {name: getattr(one, name) for name in one.__slots__ if name != "program_id"}
    texts = {"versions": canonical(one.versions), "facts": canonical(one.facts), "created": created}
    return {"program": one.program_id, **row, **texts}


def measurement_of(row: Mapping[str, Any]) -> Measurement:
    """The measurement of a row of `measurements`."""
    plain = {name: value for name, value in row.items() if name not in ("id", "program")}
    texts = {name: json.loads(row[name]) for name in ("versions", "facts")}
    return Measurement(program_id=row["program"], **{**plain, **texts})
