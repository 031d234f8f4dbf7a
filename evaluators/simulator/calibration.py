"""Calibration: parameters whose simulated people behave like those of a log, as far as the log tells."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import least_squares

from ..data import DataError
from .behaviour import EVENTS, FIGURES, WINDOW, Behaviour, Values, behave, figures
from .parameters import LIMITS, Parameters
from .sessions import click_times_watch
from .world import make_users, make_world

USERS = 3000
"""People that a step simulates."""
HORIZON = (14, WINDOW)
"""A step simulates as many days as the log spans, within these."""
FAR = 100.0
TIE = 0.01
"""How strongly a parameter is held at its start: what one step away from it costs, in squared tolerances."""
REACH = 6.0
"""How many steps a parameter may move."""
NUDGE = 0.15
"""Steps between the points that a slope is taken from: many events must change, so not too few."""


@dataclass(frozen=True, slots=True)
class Free:
    """A parameter that a log can move: the size of its step, and the figures of which one must be given.

    `log`: steps multiply, so that it stays above zero.
    """

    step: float
    needs: tuple[str, ...]
    log: bool = False

    def moved(self, value: float, steps: float) -> float:
        """The value after so many steps."""
        return value * float(np.exp(self.step * steps)) if self.log else value + self.step * steps


RETURNS = ("next_day", "mean_gap", "busiest_tenth")
FREE: Mapping[str, Free] = {
    "click_base": Free(1.0, ("click_rate",)),
    "watch_choc": Free(0.3, ("long_view_rate", "log_watch_mean")),
    "watch_kale": Free(0.3, ("long_view_rate", "log_watch_mean")),
    "watch_spread": Free(0.2, ("log_watch_sd", "long_view_rate"), log=True),
    "like_base": Free(1.0, ("like_rate",)),
    "like_utility": Free(0.3, ("auc_watched", "auc_clicked")),
    "like_click": Free(0.5, ("clicked_of_liked",)),
    "like_watch": Free(0.2, ("long_of_liked",)),
    "hate_base": Free(1.0, ("hate_rate",)),
    "hate_utility": Free(0.3, ("auc_watched", "auc_clicked")),
    "hate_bait": Free(0.4, ("clicked_of_hated",)),
    "hate_click": Free(0.5, ("clicked_of_hated",)),
    "return_base": Free(0.5, RETURNS),
    "return_spread": Free(0.3, RETURNS, log=True),
}
"""What a log can tell of. Every other parameter keeps its value, whatever the log."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of a log beside those of simulated people; `real` holds what the log gives."""

    real: Mapping[str, float]
    simulated: Mapping[str, float]

    @property
    def loss(self) -> float:
        """Mean squared distance in tolerances, over the figures of the log; 0 is equal, lower is better."""
        return float(np.mean([self.distance(name) ** 2 for name in self.real]))

    def distance(self, name: str) -> float:
        """Simulated less real, in tolerances; FAR where nothing is simulated, and never further."""
        if name not in self.simulated:
            return FAR
        return float(np.clip(FIGURES[name].distance(self.real[name], self.simulated[name]), -FAR, FAR))

    def rows(self) -> list[dict[str, str | float | None]]:
        """One row per figure that either side gives: figure, words, real, simulated, distance."""
        names = [name for name in FIGURES if name in self.real or name in self.simulated]
        return [
            {
                "figure": name,
                "words": FIGURES[name].words,
                "real": self.real.get(name),
                "simulated": self.simulated.get(name),
                "distance": self.distance(name) if name in self.real else None,
            }
            for name in names
        ]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fit: `parameters`, which were `fitted`; `before` and `after` on people that it did not see.

    `kept` are the parameters that could be fitted to a log with more columns, and that this one leaves.
    """

    parameters: Parameters
    fitted: tuple[str, ...]
    kept: tuple[str, ...]
    before: Comparison
    after: Comparison


def compare(
    real: Mapping[str, float], parameters: Parameters, seed: int, days: int, users: int
) -> Comparison:
    """The figures of these people under clicks times watch time, beside those given."""
    world = make_world(parameters, seed)
    people = make_users(world, users, seed)
    return Comparison(real, figures(behave(world, people, click_times_watch, seed, days)))


def figures_of(behaviour: Behaviour, name: str) -> dict[str, float]:
    """The figures of a log. DataError where it gives none."""
    real = figures(behaviour)
    if not real:
        raise DataError(
            f"{name} gives no figure to compare by: it needs {EVENTS} clicks, long views or likes that are "
            f"not all rows, or as many returns on another day, got {len(behaviour.user)} rows"
        )
    return real


def horizon(behaviour: Behaviour) -> int:
    """How many days to simulate for this log: what it spans, within HORIZON. Gaps depend on it."""
    return int(np.clip(np.ptp(behaviour.day) + 1, *HORIZON))


def calibrate(
    real: Mapping[str, float],
    start: Parameters,
    seed: int,
    *,
    steps: int = 8,
    days: int = 28,
    users: int = USERS,
) -> Calibration:
    """The parameters that bring the figures of simulated people nearest to these, beginning at `start`.

    Least squares over distances in tolerances by at most `steps` steps of a trust region method (Branch,
    Coleman and Li 1999, `scipy.optimize.least_squares`); as all simulations of a fit share their luck, their
    figures move smoothly enough for finite differences. TIE holds parameters where figures say little. A
    function of its arguments; a step simulates `users` people once for each parameter and once more.
    ValueError below one step.
    """
    if steps < 1:
        raise ValueError(f"calibration needs one step or more, got {steps}")
    names = tuple(name for name, free in FREE.items() if any(need in real for need in free.needs))

    def moved(x: Values) -> Parameters:
        away = {name: float(step) for name, step in zip(names, x, strict=True)}
        table = {name: FREE[name].moved(getattr(start, name), step) for name, step in away.items()}
        inside = {name: min(max(value, LIMITS[name][0]), LIMITS[name][1]) for name, value in table.items()}
        return Parameters.of(asdict(start) | inside)

    def residuals(x: Values) -> Values:
        comparison = compare(real, moved(x), seed, days, users)
        return np.array([*(comparison.distance(name) for name in real), *(TIE**0.5 * x)])

    def slopes(x: Values) -> Values:
        base = residuals(x)
        away = np.where(x > 0, -NUDGE, NUDGE)  # toward the start, so never past a bound
        columns = [residuals(x + away[k] * np.eye(len(x))[k]) - base for k in range(len(x))]
        return np.stack(columns, axis=1) / away

    found = least_squares(
        residuals, np.zeros(len(names)), slopes, bounds=(-REACH, REACH), max_nfev=steps, ftol=1e-3, xtol=1e-3
    )
    fitted = moved(found.x)
    before, after = (compare(real, p, seed + 1, days, users) for p in (start, fitted))
    return Calibration(fitted, names, tuple(name for name in FREE if name not in names), before, after)
