"""What alarms and re-weighting give: `python tests/bench/bench_alignment.py`. A minute.

Elites are drawn with a known truth. First: how many runs of eight rounds with five elites each sound an
alarm, while the proxy stays as it is (false alarms), and when it turns round half way (true ones); with
`alarm = -1` only a fall can sound one. Then: the
rank correlation of the proxy with the true north star over fresh programs, plain and re-weighted, and the
share that the weights were given, by number of elites. Medians over runs.
"""

from statistics import median

import numpy as np
from scipy.stats import spearmanr

from recevolve.engine.north_star.alignment import Point, alarm
from recevolve.engine.north_star.reweighting import index, learn
from recevolve.evaluators.statistics import Interval
from recevolve.population.island.randomness import generator
from recevolve.population.values.verdict import Metric, Status, Verdict

RUNS, MEETINGS, ELITES, FRESH = 60, 8, 5, 300
SLOPES = (0.0, 0.3, 0.8)
TRUTHS = {
    "components say nothing": ((1, 1), (0, 0)),
    "the proxy is right": ((1, 1), (1, 1)),
    "the proxy sees half": ((1, 0.3), (0.3, 1)),
    "the proxy is opposed": ((1, 0), (-0.3, 1)),
}
"""(what the proxy pays for each component, what the north star pays)."""
COUNTS = (6, 12, 20, 40)
NOISE = 0.3


def round_of(rng: np.random.Generator, generation: int, slope: float) -> list[Point]:
    """Five elites whose north star follows the proxy with this slope."""
    proxy = rng.normal(size=ELITES)
    star = slope * proxy + NOISE * rng.normal(size=ELITES)
    points = []
    for number, pair in enumerate(zip(proxy, star, strict=True)):
        first, second = (Interval(float(x), float(x) - 0.1, float(x) + 0.1, 0.95, 9, 0.05) for x in pair)
        points.append(Point(f"{generation}.{number}", generation, first, first, second))
    return points


def alarmed(slopes: tuple[float, ...], threshold: float, run: int) -> bool:
    """Whether any round of a run sounds an alarm."""
    rng, points = generator(run, "rounds"), []
    for generation, slope in enumerate(slopes):
        points += round_of(rng, generation, slope)
        if alarm(points, threshold, run):
            return True
    return False


def elites(
    rng: np.random.Generator, count: int, truth: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[list[tuple[Verdict, Interval]], np.ndarray]:
    """Measured elites with two components that matter and two that do not, and their true north stars."""
    pays, wants = (np.array([*each, 0.0, 0.0]) for each in truth)
    true = rng.normal(size=(count, 4))
    seen = true + NOISE * rng.normal(size=true.shape)
    star = true @ wants if wants.any() else rng.normal(size=count)
    measured = star + NOISE * rng.normal(size=count)
    found = []
    for row, y in zip(seen, measured, strict=True):
        metrics = {f"m{number}": Metric(float(value), NOISE, 100) for number, value in enumerate(row)}
        verdict = Verdict(Status.SCORED, Metric(float(row @ pays), NOISE, 100), metrics=metrics)
        found.append((verdict, Interval(float(y), float(y) - 0.6, float(y) + 0.6, 0.95, 100, NOISE)))
    return found, star


def taught(truth: tuple[tuple[float, ...], tuple[float, ...]], count: int) -> tuple[float, float, float]:
    """(share, plain correlation, re-weighted correlation), medians over runs."""
    rows = []
    for run in range(RUNS):
        rng = generator(run, "elites", count)
        weights = learn(elites(rng, count, truth)[0])
        fresh, star = elites(rng, FRESH, truth)
        plain, ours = (
            float(spearmanr([index(verdict, each).value for verdict, _ in fresh], star).statistic)
            for each in (None, weights)
        )
        rows.append((weights.share if weights else 0.0, plain, ours))
    first, second, third = zip(*rows, strict=True)
    return median(first), median(second), median(third)


def main() -> None:
    """Prints both tables, correctness first."""
    first = learn(elites(generator(0, "check"), 20, TRUTHS["the proxy is opposed"])[0])
    again = learn(elites(generator(0, "check"), 20, TRUTHS["the proxy is opposed"])[0])
    assert first == again, "equal elites must teach equal weights"
    print(f"share of {RUNS} runs of {MEETINGS} rounds with {ELITES} elites each that sound an alarm")
    print(f"{'north star = slope * proxy':<34}{'alarm = -1':>18}{'alarm = 0':>16}")
    steady = {f"slope {slope:g} throughout": (slope,) * MEETINGS for slope in SLOPES}
    turned = {"slope 0.8, then -0.8 half way": (0.8,) * (MEETINGS // 2) + (-0.8,) * (MEETINGS // 2)}
    for name, slopes in {**steady, **turned}.items():
        fall, opposed = (
            sum(alarmed(slopes, threshold, run) for run in range(RUNS)) / RUNS for threshold in (-1.0, 0.0)
        )
        print(f"{name:<34}{fall:>18.0%}{opposed:>16.0%}")
    print(f"\nrank correlation with the true north star over {FRESH} fresh programs, median of {RUNS} runs")
    print(f"{'':<34}{'elites':>8}{'share':>8}{'plain':>8}{'re-weighted':>13}")
    for name, truth in TRUTHS.items():
        for count in COUNTS:
            share, plain, ours = taught(truth, count)
            print(f"{name:<34}{count:>8}{share:>8.2f}{plain:>8.2f}{ours:>13.2f}")


if __name__ == "__main__":
    main()
