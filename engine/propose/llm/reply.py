"""Reply: what one call to one model came to, in one word, with its text and its bill."""

from dataclasses import dataclass
from enum import StrEnum

from ....population.values.origin import NOTHING, Spend


class Outcome(StrEnum):
    """How asking a model ended."""

    ANSWERED = "answered"
    EMPTY = "empty"
    """It came without text; some models spend all their tokens on reasoning."""
    TRUNCATED = "truncated"
    """It ended at the token limit; the text so far is kept."""
    REFUSED = "refused"
    """The model declined."""
    FILTERED = "filtered"
    """The provider's filter took it."""
    TIMED_OUT = "timed_out"
    """The proposal's deadline came first."""
    UNAVAILABLE = "unavailable"
    """Server or network failed, again and again."""
    REJECTED = "rejected"
    """The request itself is wrong: too long, an unknown model, a bad key. Not tried again."""
    CAPPED = "capped"
    """A cap on dollars, tokens or calls leaves no room for it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One call's end.

    `spend` is what was billed; `estimated` says that the server gave no count of tokens and we counted.
    `written` is the part of the prompt that was written to the provider's cache. `retry` says that trying
    again may help, `after` how many seconds the server asked to wait. `broken` speaks against the model's
    server, not against the request. `risked`: no answer came, but one may have been paid for. `dropped` are
    the parameters that the model refused and that were left out.
    """

    outcome: Outcome
    text: str = ""
    reason: str = ""
    spend: Spend = NOTHING
    estimated: bool = False
    retry: bool = False
    after: float | None = None
    broken: bool = False
    risked: bool = False
    dropped: tuple[str, ...] = ()
