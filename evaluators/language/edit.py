"""Edit: a change to a program's text that a kind itself can make, where the typed ones do not fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


class Unsuitable(Exception):
    """The program lacks what its kind's layout says that it has, or an edit found nothing to work on."""


@dataclass(frozen=True, slots=True)
class Edited:
    """The new text, what was changed in one line, and which of the other programs lent a part of it."""

    source: str
    words: str
    lender: int | None = None


Edit = Callable[[str, Sequence[str], np.random.Generator], Edited]
"""(text, texts of others, generator) -> Edited, a pure function. Unsuitable where nothing is to change."""
