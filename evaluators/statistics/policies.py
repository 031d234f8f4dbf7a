"""What a policy would have earned on the traffic of another, and when such values must not rank policies."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan

import numpy as np
from numpy.typing import ArrayLike

from .intervals import Floats, Interval, finite_row, student, student_interval, tail_of


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """The mean reward a decision that the policy would have had, in the reward's unit.

    `effective_size` is how many rows of the policy's own traffic the log amounts to: Kish 1965,
    (sum of weights)^2 / sum of weights^2.
    """

    interval: Interval
    effective_size: float


def snips(
    rewards: ArrayLike,
    target: ArrayLike,
    logged: ArrayLike,
    *,
    units: ArrayLike | None = None,
    confidence: float = 0.95,
) -> PolicyValue:
    """The value by self-normalised inverse propensities: sum of w r / sum of w, with w = target / logged.

    One row a decision: `rewards` what came of it, `target` and `logged` the probabilities (N,) with which the
    policy and the log's own choose the action that was chosen. `units` says to which user each row belongs:
    the error then allows for rows of one user that resemble each other (clusters, Liang and Zeger 1986), and
    `count` is that of users. Weights are not clipped: that would trade a bias which no interval shows for
    noise which this one does. The interval is Student's, by the delta method, and too short where few weights
    are large: see `effective_size`. Biased by order 1 / rows, between the smallest and the largest reward
    always, and moved along when all rewards are. Swaminathan and Joachims 2015,
    https://papers.nips.cc/paper/5748-the-self-normalized-estimator-for-counterfactual-learning. Where the
    target takes none of the logged actions the value is NaN, from -infinity to infinity. Unequal shapes,
    fewer than two rows or units, a `logged` that is not in (0, 1] or a `target` that is not in [0, 1]:
    ValueError.
    """
    r, w = _weighted(rewards, target, logged)
    if not w.any():
        return PolicyValue(Interval(nan, -inf, inf, confidence, len(r)), 0.0)
    # The scale of the weights cancels; without it they cannot overflow.
    scaled = w / w.mean()
    estimate = float((scaled * r).mean())
    return _value(estimate, scaled * (r - estimate), w, units, confidence)


def doubly_robust(
    rewards: ArrayLike,
    target: ArrayLike,
    logged: ArrayLike,
    predicted: ArrayLike,
    predicted_target: ArrayLike,
    *,
    units: ArrayLike | None = None,
    confidence: float = 0.95,
) -> PolicyValue:
    """The value by doubly robust estimation: a model's, corrected on the actions that were taken.

    `predicted` (N,) is a model's reward of the logged action, `predicted_target` (N,) its mean reward over
    actions drawn by the policy. Unbiased where the propensities are right or the model is; the better the
    model, the narrower. The model must not have been fitted on these rows, or the interval is too short.
    Dudik, Langford and Li 2011, https://arxiv.org/abs/1103.4601. Other arguments as in `snips`.
    """
    r, w = _weighted(rewards, target, logged)
    model, everywhere = finite_row("predicted", predicted), finite_row("predicted_target", predicted_target)
    if not len(r) == len(model) == len(everywhere):
        raise ValueError(f"{len(r)} rows need as many predictions, got {len(model)} and {len(everywhere)}")
    gained = everywhere + w * (r - model)
    estimate = float(gained.mean())
    return _value(estimate, gained - estimate, w, units, confidence)


def cannot_rank(values: Mapping[str, PolicyValue], minimum: float = 100.0) -> str:
    """Why these values do not rank their policies, in a sentence for people and prompts; empty where they do.

    Refused are fewer than two policies, a policy whose effective size is below `minimum` rows, and a field
    whose intervals all overlap, each widened for the number of policies (Bonferroni), so that a field without
    differences is ranked with a chance of 1 - confidence at most. A ranking does not say that neighbours
    differ, only that the field does.
    """
    if len(values) < 2:
        return f"a ranking needs two policies or more, got {len(values)}"
    thin = min(values, key=lambda name: (values[name].effective_size, name))
    if not values[thin].effective_size >= minimum:
        little = f"the log is worth {values[thin].effective_size:.0f} rows of {thin}, fewer than {minimum:g}"
        return f"{little}: it shows too few of this policy's choices; log more, or change less"
    ends = [_widened(value.interval, len(values)) for value in values.values()]
    lowest, highest = max(low for low, _ in ends), min(high for _, high in ends)
    if lowest > highest:
        return ""
    return (
        f"the intervals of all {len(values)} policies overlap between {lowest:.4g} and {highest:.4g}:"
        " the log cannot tell them apart; log more"
    )


def _weighted(rewards: ArrayLike, target: ArrayLike, logged: ArrayLike) -> tuple[Floats, Floats]:
    r = finite_row("rewards", rewards)
    p, q = finite_row("target", target), finite_row("logged", logged)
    if not len(r) == len(p) == len(q) or len(r) < 2:
        raise ValueError(f"a log needs two rows or more, of one length, got {len(r)}, {len(p)} and {len(q)}")
    if p.min() < 0 or p.max() > 1 + 1e-9 or q.min() <= 0 or q.max() > 1 + 1e-9:
        raise ValueError(
            "target must lie in [0, 1] and logged in (0, 1], as probabilities of actions that were taken, got"
            f" {p.min():g} to {p.max():g} and {q.min():g} to {q.max():g}"
        )
    return r, p / q


def _value(
    estimate: float, influence: Floats, w: Floats, units: ArrayLike | None, confidence: float
) -> PolicyValue:
    """A value whose error is that of the mean of centred `influence` (N,) over independent units."""
    rows = len(influence)
    sums: Floats = influence
    if units is not None:
        owners = np.asarray(units)
        if owners.shape != (rows,):
            raise ValueError(f"units must name the owner of each of {rows} rows, got shape {owners.shape}")
        owner = np.unique(owners, return_inverse=True)[1]
        sums = np.asarray(np.bincount(owner, weights=influence), dtype=np.float64)
    count = len(sums)
    if count < 2:
        raise ValueError(f"an error needs rows of two units or more, got {count}")
    error = float(sums @ sums * count / (count - 1)) ** 0.5 / rows
    interval = student_interval(estimate, error, count, confidence)
    scaled = w / w.max() if w.any() else w
    squares = float(scaled @ scaled)
    return PolicyValue(interval, float(scaled.sum()) ** 2 / squares if squares else 0.0)


def _widened(interval: Interval, trials: int) -> tuple[float, float]:
    """The ends at a confidence that holds for as many intervals at once."""
    if not isfinite(interval.error):
        return interval.low, interval.high
    reach = student(tail_of(interval.confidence) / trials, interval.count) * interval.error
    return interval.estimate - reach, interval.estimate + reach
