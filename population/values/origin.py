"""Origin: who proposed a candidate, why so, and what that cost."""

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Spend:
    """What models were paid: answered calls, tokens and US dollars. Sums by `+`.

    `tokens_in` counts the whole prompt and `cached` the part of it that the provider had in its cache;
    `tokens_out` counts the answer, its reasoning included. `unpriced` counts the tokens, both ways, whose
    price is unknown: they are in no dollar figure. `unanswered` counts the tokens that calls without an
    answer may have cost at the most.
    """

    calls: int = 0
    tokens_in: int = 0
    cached: int = 0
    tokens_out: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    unanswered: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that were counted, both ways."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def to_json(self) -> dict[str, Any]:
        """The counts that are not zero, by name."""
        return {name: count for name, count in asdict(self).items() if count}


NOTHING = Spend()


@dataclass(frozen=True, slots=True)
class Origin:
    """How a candidate came about.

    `proposer` is the one that the mixture chose and `quota` what was asked of it. `outcome` says how its
    proposal ended: "proposed", or why there was none. Where there was none, `stand_in` names the proposer
    that made the candidate in its place, if any did. `credit` is what the candidate was to its island, 0 to 1
    (see `engine/propose/mixture.py`), and belongs to whoever made it.
    """

    proposer: str = ""
    quota: str = ""
    outcome: str = ""
    stand_in: str = ""
    spend: Spend = NOTHING
    credit: float = 0.0

    @property
    def maker(self) -> str:
        """The proposer that made the candidate."""
        return self.stand_in or self.proposer


UNKNOWN = Origin()
