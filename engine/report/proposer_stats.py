"""Accounts: what each proposer was asked, gave and cost, and what the mixture believes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from ...population.archive.archive import Archive
from ...population.archive.credit import MADE, earned
from ...population.archive.spending import Spending


def accounts(archive: Archive) -> list[dict[str, Any]]:
    """One row for each proposer: its outcomes, candidates, gains, spend, its share of the next generation.

    The share is the mean over the islands; None where the mixture is fixed or has learnt nothing yet.
    """
    rows = earned(archive.connection)
    shares = _shares(archive, [row.proposer for row in rows])
    return [
        {
            "proposer": row.proposer,
            "asked": row.asked,
            "outcomes": dict(row.outcomes),
            "candidates": row.evaluations,
            "gains": row.gains,
            "credit": round(row.credit, 6),
            "spend": row.spend.to_json(),
            "dollars_per_gain": row.dollars_per_gain,
            "next_share": shares.get(row.proposer),
        }
        for row in rows
    ]


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
    for island in archive.islands():
        number = archive.last_generation(island) or 0
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
    heads = (
        "proposer",
        "asked",
        "candidates",
        "gains",
        "dollars",
        "per gain",
        "tokens",
        "next",
        "no candidate",
    )
    table = Table(*heads, box=None)
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
