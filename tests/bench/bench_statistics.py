"""Whether statistics keep their promises: errors under looks, coverage, false discoveries; and their power.

    python tests/bench/bench_statistics.py

Seeded simulations, half a minute on one core. A promise that is broken is marked, and the exit status is 1.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from recevolve.evaluators.statistics import (
    MINIMUM,
    Interval,
    Moments,
    PolicyValue,
    always_valid_p,
    confidence_sequence,
    doubly_robust,
    lord_level,
    paired,
    snips,
    spearman_interval,
    winner,
)

RERANDOMISATIONS = 3000
ERROR = 0.05 + 2 * (0.05 * 0.95 / RERANDOMISATIONS) ** 0.5
COVERAGE = (0.93, 0.97)
REPEATS = 2000
STREAMS = 1000
USERS = 4000
PAIRS = 2000


@dataclass(frozen=True)
class Row:
    """One line of the table; `low` and `high` are the promise, None where nothing is promised."""

    question: str
    method: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value lies within its promise."""
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)


def summaries(values: np.ndarray, counts: np.ndarray) -> list[Moments]:
    """The moments of a row after each of `counts` units, from running sums."""
    mean = values.cumsum()[counts - 1] / counts
    variance = np.maximum((values**2).cumsum()[counts - 1] - counts * mean**2, 0) / (counts - 1)
    return [Moments(*each) for each in zip(counts.tolist(), mean.tolist(), variance.tolist(), strict=True)]


def nothing(rng: np.random.Generator, counts: np.ndarray) -> Iterator[list[Moments]]:
    """Differences of pairs of users who are treated alike, and who arrive by and by, drawn anew each time."""
    population = rng.negative_binomial(0.7, 0.13, USERS) + rng.gamma(0.5, 1.0, USERS)
    for _ in range(RERANDOMISATIONS):
        order = rng.permutation(population)
        yield summaries(order[::2] - order[1::2], counts)


def unplanned() -> Iterator[Row]:
    """40 looks whenever somebody was curious."""
    rng = np.random.default_rng(2)
    counts = np.sort(rng.choice(np.arange(60, USERS // 2), 40, replace=False))
    wrong = {"naive": 0, "confidence sequence": 0, "always-valid p, one-sided": 0}
    for looks in nothing(rng, counts):
        ends = [confidence_sequence(each, 0.05, tuned_at=1000) for each in looks]
        wrong["naive"] += any(abs(each.mean) > 1.96 * (each.variance / each.count) ** 0.5 for each in looks)
        wrong["confidence sequence"] += any(each.low > 0 or each.high < 0 for each in ends)
        wrong["always-valid p, one-sided"] += any(
            always_valid_p(each, tuned_at=1000) <= 0.05 for each in looks
        )
    for method, count in wrong.items():
        promised = None if method == "naive" else ERROR
        yield Row("type-I error, 40 unplanned looks", method, count / RERANDOMISATIONS, high=promised)


def curious() -> Iterator[Row]:
    """200 looks at a confidence sequence, from the fewest units that it takes; skewed and rare values too."""
    rng = np.random.default_rng(7)
    counts = np.unique(np.geomspace(MINIMUM, USERS, 200).astype(int))
    nulls: dict[str, Callable[[], np.ndarray]] = {
        "normal": lambda: rng.normal(size=USERS),
        "difference of exponentials": lambda: rng.exponential(size=USERS) - rng.exponential(size=USERS),
        "difference of events of 1 %": lambda: (rng.random(USERS) < 0.01) * 1.0 - (rng.random(USERS) < 0.01),
        "events of 1 % against a known rate": lambda: (rng.random(USERS) < 0.01) * 1.0,
    }
    for name, draw in nulls.items():
        known = 0.01 if "known" in name else 0.0
        wrong = 0
        for _ in range(STREAMS):
            ends = [confidence_sequence(each, 0.05, tuned_at=1000) for each in summaries(draw(), counts)]
            wrong += any(each.low > known or each.high < known for each in ends)
        promised = None if known else 0.05 + 2 * (0.05 * 0.95 / STREAMS) ** 0.5
        note = "what it is not for" if known else ""
        yield Row(
            "type-I error, 200 looks from 100 units on", name, wrong / STREAMS, high=promised, note=note
        )


def power(size: float) -> Iterator[Row]:
    """How often an effect of this many standard deviations of a user is found in 2,000 pairs of users."""
    rng = np.random.default_rng(3)
    counts = np.arange(50, PAIRS + 1, 50)
    stops: dict[str, list[float]] = {"the last look alone": [], "confidence sequence": []}
    for _ in range(RERANDOMISATIONS // 2):
        looks = summaries(rng.normal(size, 2**0.5, PAIRS), counts)
        z = np.array([each.mean / (each.variance / each.count) ** 0.5 for each in looks])
        crossed = {
            "the last look alone": (z > 1.96) & (counts == PAIRS),
            "confidence sequence": np.array(
                [confidence_sequence(m, 0.05, tuned_at=1000).low > 0 for m in looks]
            ),
        }
        for name, each in crossed.items():
            stops[name].append(float(counts[each.argmax()]) if each.any() else np.inf)
    for name, each in stops.items():
        found = np.isfinite(each)
        note = f"stops at {np.median(np.array(each)[found]):,.0f} pairs in the median"
        yield Row(f"power at {size:.2f} sd of a user, {PAIRS:,} pairs", name, float(found.mean()), note=note)


def covered(repeats: int, draw: Callable[[], tuple[Interval, float]]) -> tuple[float, str]:
    """How often intervals hold the truth, and how wide they are."""
    drawn = [draw() for _ in range(repeats)]
    inside = np.mean([interval.low <= truth <= interval.high for interval, truth in drawn])
    return float(inside), f"mean width {np.mean([i.high - i.low for i, _ in drawn]):.3f}"


def coverage() -> Iterator[Row]:
    """Intervals of 95 %."""
    rng = np.random.default_rng(4)

    def pairs() -> tuple[Interval, float]:
        shared = rng.normal(0, 5, 10)
        return paired(shared + rng.normal(0.3, 1, 10), shared + rng.normal(0, 1, 10)), 0.3

    def field(truth: np.ndarray) -> tuple[Interval, float]:
        folds = truth[:, None] + rng.normal(0, 10**0.5, (20, 10))
        names = [f"{k:02}" for k in range(20)]
        means, errors = folds.mean(axis=1), folds.std(axis=1, ddof=1) / 10**0.5
        won = winner(dict(zip(names, means, strict=True)), dict(zip(names, errors, strict=True)), count=10)
        return won.interval, float(truth[int(won.name)])

    def ranks() -> tuple[Interval, float]:
        a = rng.normal(size=60)
        b = 0.6 * a + 0.8 * rng.normal(size=60)
        return spearman_interval(a, b, rng, resamples=400), 6 / np.pi * np.arcsin(0.3)

    draws: dict[str, Callable[[], tuple[Interval, float]]] = {
        "paired, 10 folds": pairs,
        "rank correlation of 60": ranks,
    }
    for name, draw in draws.items():
        value, note = covered(REPEATS, draw)
        yield Row("coverage of 95 % intervals", name, value, *COVERAGE, note=note)
    fields = {
        "nothing works": lambda: np.zeros(20),
        "effects as large as noise": lambda: rng.normal(0.5, 1, 20),
    }
    for name, truth in fields.items():
        value, note = covered(REPEATS, lambda truth=truth: field(truth()))  # type: ignore[misc]
        yield Row("coverage of 95 % intervals", f"winner of 20, {name}", value, low=COVERAGE[0], note=note)


def softmax(x: np.ndarray) -> np.ndarray:
    """(N, A) probabilities."""
    weights = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def log_of(rng: np.random.Generator, rows: int) -> tuple[tuple[np.ndarray, ...], float]:
    """A log of clicks on 5 actions with a rough model of them, and what another policy earns on its rows."""
    context = rng.normal(size=(rows, 5))
    chance = 1 / (1 + np.exp(-context + 0.5 * np.arange(5)))
    logging, target = softmax(0.5 * context), softmax(context - 0.3 * np.arange(5))
    chosen = (logging.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1).clip(0, 4)
    at, model = (np.arange(rows), chosen), 0.1 + 0.7 * chance
    clicks = (rng.random(rows) < chance[at]).astype(float)
    log = clicks, target[at], logging[at], model[at], (target * model).sum(axis=1)
    return log, float((target * chance).sum(axis=1).mean())


def off_policy() -> Iterator[Row]:
    """Coverage of off-policy intervals, and what half a million rows cost."""
    rng = np.random.default_rng(5)
    large, truth = log_of(rng, 500_000)
    methods: dict[str, Callable[..., PolicyValue]] = {
        "SNIPS": lambda log, **more: snips(*log[:3], **more),
        "doubly robust": lambda log, **more: doubly_robust(*log, **more),
    }
    for name, method in methods.items():
        value, note = covered(REPEATS, lambda of=method: (of(log_of(rng, 600)[0]).interval, truth))  # type: ignore[misc]
        yield Row("coverage of 95 % intervals", f"{name}, 600 rows", value, *COVERAGE, note=note)
    users = rng.integers(0, 50_000, 500_000)
    for name, method in methods.items():
        began = time.process_time()
        method(large, units=users)
        yield Row("CPU ms, 500,000 rows of 50,000 users", name, (time.process_time() - began) * 1e3)


def lord(p_values: np.ndarray, lag: int) -> np.ndarray:
    """What LORD++ rejects when a test is decided `lag` tests after it started."""
    rejected: list[bool] = []
    for number, p in enumerate(p_values):
        known = rejected[: max(number - lag, 0)]
        rejected.append(bool(p <= lord_level(known, number, 0.05)))
    return np.array(rejected)


def hochberg(p_values: np.ndarray, size: int) -> np.ndarray:
    """What Benjamini-Hochberg rejects in each generation of this size."""
    parts = [stats.false_discovery_control(part) <= 0.05 for part in p_values.reshape(-1, size)]
    return np.concatenate(parts)


def streams(share: float) -> Iterator[Row]:
    """200 tests in a row, a share of them of effects of three standard errors."""
    rng = np.random.default_rng(6)
    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "uncorrected": lambda p: p <= 0.05,
        "Benjamini-Hochberg per generation of 20": lambda p: hochberg(p, 20),
        "Benjamini-Hochberg once, at the end": lambda p: hochberg(p, 200),
        "LORD++": lambda p: lord(p, 0),
        "LORD++, ten tests at a time": lambda p: lord(p, 9),
    }
    false: dict[str, list[float]] = {name: [] for name in methods}
    found: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(STREAMS):
        true = rng.random(200) < share
        p_values = stats.norm.sf(rng.normal(size=200) + 3 * true)
        for name, method in methods.items():
            rejected = method(p_values)
            false[name].append((rejected & ~true).sum() / max(rejected.sum(), 1))
            found[name].append((rejected & true).sum() / max(true.sum(), 1))
    question = f"false discoveries, {share:.0%} of 200 tests true"
    for name in methods:
        promised = 0.05 if name.startswith("LORD") else None
        note = f"power {np.mean(found[name]):.2f}" if share else ""
        yield Row(question, name, float(np.mean(false[name])), high=promised, note=note)


def main() -> int:
    """The table; how many promises do not hold."""
    began = time.process_time()
    rows = [
        *unplanned(),
        *curious(),
        *power(0.10),
        *power(0.15),
        *coverage(),
        *off_policy(),
        *streams(0.0),
        *streams(0.1),
    ]
    table = Table("question", "method", "measured", "promised", "")
    for row in rows:
        ends = [f"at least {row.low:.3f}"] if row.low is not None else []
        ends += [f"at most {row.high:.3f}"] if row.high is not None else []
        value = f"{row.value:.0f}" if row.question.startswith("CPU") else f"{row.value:.3f}"
        table.add_row(
            row.question, row.method, value, ", ".join(ends), row.note if row.holds else f"FAILS {row.note}"
        )
    Console(width=170).print(table)
    print(f"{time.process_time() - began:.0f} CPU seconds")
    return sum(not row.holds for row in rows)


if __name__ == "__main__":
    sys.exit(main() > 0)
