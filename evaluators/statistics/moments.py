"""Count, mean and variance of a metric: all that an experiment platform must send, and that a look needs."""

from dataclasses import dataclass
from math import isfinite

from numpy.typing import ArrayLike

from .intervals import finite_row


@dataclass(frozen=True, slots=True)
class Moments:
    """A metric over `count` units: its `mean`, and `variance` over units (sample variance, ddof = 1).

    Units are what was randomised, users as a rule: sessions or clicks of one user are not independent, and
    their variance makes every interval too narrow. One unit or none has variance 0, none has mean 0. A count
    below 0, a negative variance or a number that is not finite: ValueError.
    """

    count: int
    mean: float
    variance: float

    def __post_init__(self) -> None:
        if self.count < 0 or not (isfinite(self.mean) and isfinite(self.variance)) or self.variance < 0:
            raise ValueError(f"moments need a count and a variance of 0 or more, all finite, got {self}")
        if (self.count < 2 and self.variance) or (not self.count and self.mean):
            raise ValueError(f"{self.count} units have no variance, and none have no mean, got {self}")

    @classmethod
    def of(cls, values: ArrayLike) -> "Moments":
        """The moments of a row of values, one a unit."""
        row = finite_row("values", values)
        if not len(row):
            return cls(0, 0.0, 0.0)
        return cls(len(row), float(row.mean()), float(row.var(ddof=1)) if len(row) > 1 else 0.0)

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of both groups of units together, none of them in both; order does not matter.

        Chan, Golub and LeVeque 1983, https://doi.org/10.1080/00031305.1983.10483115.
        """
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        gap = other.mean - self.mean
        squares = self.variance * (self.count - 1) + other.variance * (other.count - 1)
        squares += gap**2 * self.count * other.count / count
        # Weighted this way round, the mean is the same to the last digit in either order.
        mean = (self.mean * self.count + other.mean * other.count) / count
        return Moments(count, mean, squares / (count - 1))
