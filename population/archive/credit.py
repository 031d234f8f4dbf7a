"""Credit: what each proposer was paid, and what its candidates were worth to their islands."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..values.origin import NOTHING, Spend

BY_PROPOSER = """
    SELECT proposer, stand_in, outcome, count(*), sum(credit > 0), sum(credit)
    FROM evaluations WHERE proposer <> '' GROUP BY proposer, stand_in, outcome
    ORDER BY proposer, stand_in, outcome
"""
MADE = frozenset({"proposed", "repaired", "invalid"})
"""Outcomes of proposals that gave a candidate."""
SPENT = "SELECT proposer, spend FROM evaluations WHERE spend <> '{}'"


@dataclass(frozen=True)
class Earned:
    """One proposer's account over all islands.

    `asked` counts the slots that it was chosen for and `outcomes` how these ended. `evaluations` counts the
    candidates that it made, where it stood in for another one too; `gains` those that were worth something
    to their island, and `credit` is the sum of what they were worth. `spend` is what its proposals cost.
    """

    proposer: str
    asked: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    evaluations: int = 0
    gains: int = 0
    credit: float = 0.0
    spend: Spend = NOTHING

    @property
    def dollars_per_gain(self) -> float | None:
        """US dollars for models by candidate that was worth something; None where none was."""
        return self.spend.dollars / self.gains if self.gains else None


def earned(connection: sqlite3.Connection) -> tuple[Earned, ...]:
    """The account of every proposer, in order of name. Proposals of generations not committed are in none."""
    outcomes: dict[str, Counter[str]] = {}
    evaluations: Counter[str] = Counter()
    gains: Counter[str] = Counter()
    credit: Counter[str] = Counter()
    for proposer, stand_in, outcome, count, better, sum_of_credit in connection.execute(BY_PROPOSER):
        maker = stand_in or proposer
        outcomes.setdefault(proposer, Counter())[outcome] += count
        outcomes.setdefault(maker, Counter())
        evaluations[maker] += count if stand_in or outcome in MADE else 0
        gains[maker] += better
        credit[maker] += sum_of_credit
    spends: dict[str, Spend] = {}
    for proposer, text in connection.execute(SPENT):
        spends[proposer] = spends.get(proposer, NOTHING) + Spend.from_json(json.loads(text))
    return tuple(
        Earned(
            proposer=name,
            asked=outcomes[name].total(),
            outcomes=dict(outcomes[name]),
            evaluations=evaluations[name],
            gains=gains[name],
            credit=credit[name],
            spend=spends.get(name, NOTHING),
        )
        for name in sorted(outcomes)
    )
