"""Rows: births and promotions as the tables hold them, and back."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..values.birth import Birth, Promotion
from ..values.measurement import Measurement
from ..values.member import Member
from ..values.origin import Origin, Spend
from ..values.program import Program
from ..values.verdict import Verdict
from .ledger import apart, canonical, together

Row = dict[str, Any]

BIRTH = """
    SELECT births.*, programs.kind, programs.source
    FROM births JOIN programs ON programs.id = births.program
"""


def insert(connection: sqlite3.Connection, table: str, rows: Sequence[Row], conflict: str = "") -> None:
    """Inserts the rows, which have equal columns; `conflict` is SQL such as "OR IGNORE"."""
    if rows:
        columns = ", ".join(f'"{name}"' for name in rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        sql = f"INSERT {conflict} INTO {table} ({columns}) VALUES ({values})"
        connection.executemany(sql, rows)


def program_row(birth: Birth) -> Row:
    """The birth's program by column of `programs`."""
    program = birth.program
    return {
        "id": program.id,
        "kind": program.kind,
        "source": program.source,
        "syntax_hash": birth.syntax_hash,
    }


def birth_row(birth: Birth) -> Row:
    """The birth by column of `births`; the verdict's timings stay in the ledger."""
    verdict = birth.verdict.to_json()
    score, spread, count = verdict["score"] or (None, None, None)
    return {
        "island": birth.island,
        "generation": birth.generation,
        "slot": birth.slot,
        "program": birth.program.id,
        "parents": canonical(birth.program.parents),
        "made_by": birth.program.made_by,
        "explanation": birth.program.explanation,
        "syntax_hash": birth.syntax_hash,
        "behaviour": birth.behaviour,
        "duplicate_of": birth.duplicate_of,
        "cell": canonical(birth.cell),
        "size": birth.size,
        "stage": birth.stage,
        "status": verdict["status"],
        "score": score,
        "spread": spread,
        "count": count,
        "reason": verdict["reason"],
        "metrics": canonical(verdict["metrics"]),
        "facts": canonical(verdict["facts"]),
        "arm": birth.origin.arm,
        "quota": birth.origin.quota,
        "outcome": birth.origin.outcome,
        "stand_in": birth.origin.stand_in,
        "spend": canonical(birth.origin.spend.to_json()),
        "worth": birth.origin.worth,
    }


def birth_of(row: Mapping[str, Any]) -> Birth:
    """The birth of a row of BIRTH."""
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
    return Birth(
        row["island"],
        row["generation"],
        row["slot"],
        program,
        row["syntax_hash"],
        Verdict.from_json(verdict),
        row["stage"],
        row["behaviour"],
        row["duplicate_of"],
        tuple(json.loads(row["cell"])),
        row["size"],
        Origin(
            row["arm"],
            row["quota"],
            row["outcome"],
            row["stand_in"],
            Spend.from_json(json.loads(row["spend"])),
            row["worth"],
        ),
    )


def kept_row(birth: Birth) -> Row:
    """The birth with kind and source, for a program that no island bore; `birth_of` reads it."""
    return {**birth_row(birth), "kind": birth.program.kind, "source": birth.program.source}


def promotion_row(promotion: Promotion, created: str) -> Row:
    """The promotion by column of `promotions`."""
    verdict, timings = apart(promotion.verdict.to_json())
    return {
        "generation": promotion.generation,
        "slot": promotion.slot,
        "program": promotion.program_id,
        "split": promotion.split,
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
