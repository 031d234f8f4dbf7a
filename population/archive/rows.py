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


def insert(connection: sqlite3.Connection, table: str, rows: Sequence[Row], conflict: str = "") -> None:
    """Inserts the rows, which have equal columns; `conflict` is SQL such as "OR IGNORE"."""
    if rows:
        columns = ", ".join(f'"{name}"' for name in rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        sql = f"INSERT {conflict} INTO {table} ({columns}) VALUES ({values})"
        connection.executemany(sql, rows)


def program_row(evaluation: Evaluation) -> Row:
    """The evaluation's program by column of `programs`."""
    program = evaluation.program
    return {
        "id": program.id,
        "kind": program.kind,
        "source": program.source,
        "syntax_hash": evaluation.syntax_hash,
    }


def evaluation_row(evaluation: Evaluation) -> Row:
    """The evaluation by column of `evaluations`; the verdict's timings stay in the ledger."""
    verdict = evaluation.verdict.to_json()
    score, spread, count = verdict["score"] or (None, None, None)
    return {
        "island": evaluation.island,
        "generation": evaluation.generation,
        "slot": evaluation.slot,
        "program": evaluation.program.id,
        "parents": canonical(evaluation.program.parents),
        "made_by": evaluation.program.made_by,
        "explanation": evaluation.program.explanation,
        "syntax_hash": evaluation.syntax_hash,
        "behaviour": evaluation.behaviour,
        "duplicate_of": evaluation.duplicate_of,
        "cell": canonical(evaluation.cell),
        "size": evaluation.size,
        "stage": str(evaluation.stage),
        "status": verdict["status"],
        "score": score,
        "spread": spread,
        "count": count,
        "reason": verdict["reason"],
        "metrics": canonical(verdict["metrics"]),
        "facts": canonical(verdict["facts"]),
        "proposer": evaluation.origin.proposer,
        "quota": evaluation.origin.quota,
        "outcome": evaluation.origin.outcome,
        "stand_in": evaluation.origin.stand_in,
        "spend": canonical(evaluation.origin.spend.to_json()),
        "credit": evaluation.origin.credit,
    }


def evaluation_of(row: Mapping[str, Any]) -> Evaluation:
    """The evaluation of a row of EVALUATION."""
    program = Program(
        row["kind"], row["source"], tuple(json.loads(row["parents"])), row["made_by"], row["explanation"]
    )
    scored = row["score"] is not None
    verdict = {
        "status": row["status"],
        "score": [row["score"], row["spread"], row["count"]] if scored else None,
        "reason": row["reason"],
        "metrics": json.loads(row["metrics"]),
        "facts": json.loads(row["facts"]),
        "timings": {},
    }
    origin = Origin(
        row["proposer"],
        row["quota"],
        row["outcome"],
        row["stand_in"],
        Spend.from_json(json.loads(row["spend"])),
        row["credit"],
    )
    return Evaluation(
        island=row["island"],
        generation=row["generation"],
        slot=row["slot"],
        program=program,
        syntax_hash=row["syntax_hash"],
        verdict=Verdict.from_json(verdict),
        stage=row["stage"],
        behaviour=row["behaviour"],
        duplicate_of=row["duplicate_of"],
        cell=tuple(json.loads(row["cell"])),
        size=row["size"],
        origin=origin,
    )


def ablation_row(winner: str, evaluation: Evaluation) -> Row:
    """What an ablation left of `winner`, by column of `ablations`; `evaluation_of` reads it."""
    program = {"kind": evaluation.program.kind, "source": evaluation.program.source}
    return {"winner": winner, **program, **evaluation_row(evaluation)}


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
    return canonical(
        [
            {
                "program": member.program_id,
                "score": member.score,
                "behaviour": member.behaviour,
                "cell": member.cell,
                "size": member.size,
            }
            for member in members
        ]
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
