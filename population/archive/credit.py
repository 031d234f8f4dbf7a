"""Earned: what each proposer was paid and what its candidates were worth."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..values.origin import NOTHING, Spend

BY_ARM = """
    SELECT arm, stand_in, outcome, count(*) AS births, sum(worth > 0) AS gains, sum(worth) AS worth
    FROM births WHERE arm <> '' GROUP BY arm, stand_in, outcome ORDER BY arm, stand_in, outcome
"""
MADE = frozenset({"proposed", "repaired", "invalid"})
"""Outcomes of proposals that gave a candidate."""
SPENT = "SELECT arm, spend FROM births WHERE spend <> '{}'"


@dataclass(frozen=True)
class Earned:
    """One arm's account over all islands.

    `asked` counts the slots that it was chosen for and `outcomes` how these ended. `births` are the
    candidates that it made, where it stood in for another arm too; `gains` those that were worth something
    to their island, and `worth` the sum of what they were worth. `spend` is what its proposals cost.
    """

    arm: str
    asked: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    births: int = 0
    gains: int = 0
    worth: float = 0.0
    spend: Spend = NOTHING

    @property
    def dollars_per_gain(self) -> float | None:
        """US dollars for models by candidate that was worth something; None where none was."""
        return self.spend.dollars / self.gains if self.gains else None


def earned(connection: sqlite3.Connection) -> tuple[Earned, ...]:
    """The account of every arm, in order of name. Proposals of generations not committed are in none."""
    outcomes: dict[str, Counter[str]] = {}
    births: Counter[str] = Counter()
    gains: Counter[str] = Counter()
    worth: Counter[str] = Counter()
    for arm, stand_in, outcome, count, better, sum_of_worth in connection.execute(BY_ARM):
        maker = stand_in or arm
        outcomes.setdefault(arm, Counter())[outcome] += count
        outcomes.setdefault(maker, Counter())
        births[maker] += count if stand_in or outcome in MADE else 0
        gains[maker] += better
        worth[maker] += sum_of_worth
    spends: dict[str, Spend] = {}
    for arm, text in connection.execute(SPENT):
        spends[arm] = spends.get(arm, NOTHING) + Spend.from_json(json.loads(text))
    return tuple(
        Earned(
            arm,
            outcomes[arm].total(),
            dict(outcomes[arm]),
            births[arm],
            gains[arm],
            worth[arm],
            spends.get(arm, NOTHING),
        )
        for arm in sorted(outcomes)
    )
