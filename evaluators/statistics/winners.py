"""The best of many candidates, corrected for having picked it."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import Interval, finite_row, student, tail_of


@dataclass(frozen=True, slots=True)
class Shrunken:
    """What many noisy estimates say together: the true effects lie around `centre` with spread `spread`.

    `estimates` are each candidate's effect by its own measurement and by that of its field.
    """

    estimates: tuple[float, ...]
    centre: float
    spread: float


@dataclass(frozen=True, slots=True)
class Winner:
    """The best of `trials` candidates: `naive` as measured, `interval` corrected for having picked it."""

    name: str
    naive: float
    interval: Interval
    trials: int


def shrink(estimates: Sequence[float], errors: Sequence[float]) -> Shrunken:
    """Each estimate pulled toward the mean of its field, the more so the noisier it is.

    Empirical Bayes with a normal prior: James and Stein 1961, Efron and Morris 1973; the spread of true
    effects by the method of moments, never below zero (Hedges 1983). `errors` are standard errors. As the
    posterior does not depend on why a candidate was looked at, the shrunken estimate of a winner carries no
    winner's curse (Efron 2011, https://doi.org/10.1198/jasa.2011.tm11181). One estimate alone stays as it is.
    """
    y, s = finite_row("estimates", estimates), finite_row("errors", errors)
    if y.shape != s.shape or not len(y) or (s < 0).any():
        raise ValueError(f"every estimate needs an error of 0 or more, got {len(y)} and {len(s)}")
    if len(y) == 1:
        return Shrunken((float(y[0]),), float(y[0]), 0.0)
    variance = max(0.0, float(y.var(ddof=1) - (s**2).mean()))
    total = s**2 + variance
    weights = 1 / total if (total > 0).all() else np.ones_like(total)
    centre = float(np.average(y, weights=weights))
    trust = np.divide(variance, total, out=np.ones_like(total), where=total > 0)
    return Shrunken(tuple((centre + trust * (y - centre)).tolist()), centre, variance**0.5)


def winner(
    estimates: Mapping[str, float],
    errors: Mapping[str, float],
    count: int,
    confidence: float = 0.95,
    left: Container[str] | None = None,
) -> Winner:
    """The candidate with the highest estimate, equal ones by name, with an estimate and interval to believe.

    With `left`, of those that a race left; the others count as tried. `errors` are standard errors, each
    from `count` measurements. The estimate is the shrunken one, which errs on the low side for a lone
    outlier in a field of equals: its prior is normal. The interval holds whatever the true effects are,
    for independent or positively dependent candidates: picking the largest can only flatter, so the lower
    end takes Sidak's quantile for all candidates (Sidak 1967), and the upper end the quantile of a single
    one; a correction in the sense of "Inference on winners" (Andrews, Kitagawa and McCloskey 2024,
    https://doi.org/10.1093/qje/qjad043), wider at the low end and simpler.
    """
    if estimates.keys() != errors.keys() or not estimates:
        raise ValueError(
            f"every candidate needs an estimate and an error, got {len(estimates)}, {len(errors)}"
        )
    if count < 2:
        raise ValueError(f"an error needs at least two measurements behind it, got {count}")
    names = sorted(estimates, key=lambda name: (-estimates[name], name))
    shrunken = shrink([estimates[name] for name in names], [errors[name] for name in names])
    place = next(place for place, name in enumerate(names) if left is None or name in left)
    naive, error = estimates[names[place]], errors[names[place]]
    tail = tail_of(confidence)
    low = naive - student(1 - (1 - tail) ** (1 / len(names)), count) * error
    high = naive + student(tail, count) * error
    # With one far outlier in a narrow field the prior is wrong about it; what was measured sets the limit.
    estimate = max(shrunken.estimates[place], low)
    return Winner(names[place], naive, Interval(estimate, low, high, confidence, count, error), len(names))
