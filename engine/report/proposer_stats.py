"""Accounts: what each proposer was asked, gave and cost, and what the mixture believes of it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from ...population.archive.archive import Archive
from ...population.archive.spending import Spending
from ...population.values.origin import NOTHING, Spend

BY_PROPOSER = """
    SELECT proposer, stand_in, outcome, count(*), sum(credit > 0), sum(credit)
    FROM evaluations WHERE proposer <> '' GROUP BY proposer, stand_in, outcome
    ORDER BY proposer, stand_in, outcome
"""
MADE = frozenset({"proposed", "repaired", "invalid"})
"""Outcomes of proposals that gave a candidate."""
SPENT = "SELECT proposer, spend FROM evaluations WHERE spend <> '{}'"


def accounts(archive: Archive) -> list[dict[str, Any]]:
    """One row for each proposer in order of name, over all islands; generations not committed are in none.

    `asked` counts the slots that it was chosen for and `outcomes` how these ended. `candidates` counts those
    that it made, where it stood in for another one too; `gains` those that were worth something to their
    island, and `credit` is the sum of what they were worth. `spend` is what its proposals cost,
    `dollars_per_gain` None where nothing gained. `next_share` of the next generation is the mean over the
    islands, None where the mixture is fixed or has learnt nothing yet.
    """
    rows: dict[str, dict[str, Any]] = {}

    def row(proposer: str) -> dict[str, Any]:
        blank = {"proposer": proposer, "asked": 0, "outcomes": Counter[str](), "candidates": 0, "gains": 0}
        return rows.setdefault(proposer, {**blank, "credit": 0.0, "spend": NOTHING})

    for proposer, stand_in, outcome, count, better, credit in archive.connection.execute(BY_PROPOSER):
        asked, maker = row(proposer), row(stand_in or proposer)
        asked["asked"] += count
        asked["outcomes"][outcome] += count
        maker["candidates"] += count if stand_in or outcome in MADE else 0
        maker["gains"] += better
        maker["credit"] += credit
    for proposer, text in archive.connection.execute(SPENT):
        row(proposer)["spend"] += Spend(**json.loads(text))
    shares = _shares(archive, sorted(rows))
    for name, each in rows.items():
        spend, gains = each["spend"], each["gains"]
        each |= {"credit": round(each["credit"], 6), "spend": spend.to_json()}
        each |= {"dollars_per_gain": spend.dollars / gains if gains else None, "next_share": shares.get(name)}
    return [rows[name] for name in sorted(rows)]


def bills(archive: Archive) -> list[dict[str, Any]]:
    """One row for each model: what it cost on all days, and what calls without an answer may have cost.

    The latter, `unanswered` tokens and `risked` US dollars, are upper bounds, and count against the limits.
    """
    spent = Spending(archive.connection).by_model()
    return [
        {"model": model, **asdict(bill.spend), "risked": bill.risked} for model, bill in sorted(spent.items())
    ]


def bills_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of `bills` for a person, a line each."""
    lines = []
    for row in rows:
        line = (
            f"{row['model']}: {row['calls']:,} calls, {row['tokens_in']:,} tokens in ({row['cached']:,} from "
            f"the provider's cache), {row['tokens_out']:,} out, ${row['dollars']:.4f}"
        )
        if row["unpriced"]:
            line += f", {row['unpriced']:,} tokens at no known price"
        if row["unanswered"]:
            line += (
                f"; calls without an answer: {row['unanswered']:,} tokens, ${row['risked']:.4f} at the most"
            )
        lines.append(line)
    return "\n".join(lines)


def _shares(archive: Archive, arms: Sequence[str]) -> dict[str, float]:
    """What the islands' bandits give each proposer next, on average."""
    begun = archive.run()
    if begun is None or begun.config["config"]["propose"]["mixture"] != "bandit" or not arms:
        return {}
    # a glance at a run should not wait for numpy unless a bandit has something to say
    from ...population.island.randomness import generator
    from ..propose.bandit import believed
    from ..propose.mixture import ceilings

    totals = dict.fromkeys(arms, 0.0)
    learnt = 0
    for island, number in archive.generations().items():
        notes = archive.statistics(island, number)
        state = notes.get("mixture")
        if state:
            learnt += 1
            rng = generator(begun.seed, "mixture", island, number + 1)
            dollars = begun.config["config"]["propose"]["evaluation_dollars"]
            for belief in believed(state, arms, dollars, rng, ceilings(notes, number + 1)):
                totals[belief.arm] += belief.share
    return {arm: round(total / learnt, 4) for arm, total in totals.items()} if learnt else {}


def accounts_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of `accounts` for a person."""
    heads = ("proposer", "asked", "candidates", "gains", "dollars", "per gain", "tokens", "next")
    table = Table(*heads, "no candidate", box=None)
    table.columns[0].overflow = "fold"
    for row in rows:
        spend = row["spend"]
        tokens = spend.get("tokens_in", 0) + spend.get("tokens_out", 0)
        failures = {name: count for name, count in row["outcomes"].items() if name not in MADE}
        table.add_row(
            row["proposer"],
            str(row["asked"]),
            str(row["candidates"]),
            str(row["gains"]),
            _dollars(spend),
            "" if row["dollars_per_gain"] is None else f"{row['dollars_per_gain']:.4f}",
            f"{tokens:,}" if tokens else "",
            "" if row["next_share"] is None else f"{row['next_share']:.0%}",
            ", ".join(f"{name} {count}" for name, count in sorted(failures.items())),
        )
    return table


def _dollars(spend: Mapping[str, Any]) -> str:
    known = f"{spend['dollars']:.4f}" if spend.get("dollars") else ""
    return f"{known} + {spend['unpriced']:,} tokens unpriced".lstrip(" +") if spend.get("unpriced") else known
