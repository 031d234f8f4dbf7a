"""How fast people are simulated, and how much pairing them saves: `python tests/bench/bench_simulator.py`.

First that the same lives come out twice. Then user-sessions per CPU-second on one core, for the policy in
production and for one that reads every prediction; rows per CPU-second of an exploration log; and the
variance of a difference between two policies, on the same people, as a share of what other people would
give. The floor is 200,000 sessions. Medians of 5. Last, what each scenario makes of clicks: Spearman's
correlation of click rate and late active days over 60 rewards, with weights of either sign and with positive
ones, and how many late active days ranking by clicks gains over any order.
"""

import time
from collections.abc import Callable, Mapping
from itertools import combinations
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from recevolve.evaluators.simulator import (
    SCENARIOS,
    click_times_watch,
    explore,
    make_users,
    make_world,
    scenario,
    simulate,
)

FLOOR = 200_000
RUNS, PEOPLE = 5, 6000
Signals = Mapping[str, np.ndarray]


def everything(signals: Signals) -> np.ndarray:
    """A reward that reads all predictions."""
    return signals["click"] * np.sqrt(signals["watch"]) * signals["like"] * np.exp(0.3 * signals["survey"])


def linear(weights: np.ndarray) -> Callable[[Signals], np.ndarray]:
    """A weighted sum of the predictions, each in units of its spread."""
    a, b, c, d = (float(weight) for weight in weights)
    return lambda s: (
        a * s["click"] / 0.15 + b * s["watch"] / 30 + c * s["like"] / 0.03 + d * s["survey"] / 1.8
    )


def cpu(work: Callable[[int], float]) -> float:
    """The median of what `work` counts per CPU-second."""
    rates = []
    for run in range(RUNS):
        started = time.process_time()
        rates.append(work(run) / (time.process_time() - started))
    return median(rates)


def pairing(name: str) -> tuple[float, float]:
    """Median correlation of late active days between 16 policies on the same people; variance share."""
    world = make_world(scenario(name), 0)
    users = make_users(world, 3000, 0)
    rng = np.random.default_rng(0)
    lives = np.array(
        [simulate(world, users, linear(np.abs(rng.normal(size=4))), 1).late_active_days for _ in range(16)]
    )
    pairs = list(combinations(lives, 2))
    shares = [(a - b).var() / (a.var() + b.var()) for a, b in pairs]
    return median(np.corrcoef(a, b)[0, 1] for a, b in pairs), median(shares)


def clicks(name: str) -> tuple[float, float, float]:
    """Correlations of click rate and late days, weights of either sign and positive; gain of clicks."""
    world = make_world(scenario(name), 0)
    users = make_users(world, 3000, 0)
    weights = np.random.default_rng(4).normal(size=(60, 4))
    found = []
    for each in (weights, np.abs(weights)):
        lives = [simulate(world, users, linear(row), 1) for row in each]
        late = [life.late_active_days.mean() for life in lives]
        found.append(spearmanr([life.totals.rate("clicks") for life in lives], late).statistic)
    by_click, by_chance = (
        simulate(world, users, policy, 1).late_active_days.mean()
        for policy in (lambda s: s["click"], lambda s: np.zeros_like(s["click"]))
    )
    return found[0], found[1], by_click - by_chance


def main() -> None:
    """Prints the three tables."""
    world = make_world(scenario("clickbait"), 0)
    users = make_users(world, PEOPLE, 0)
    twice = [simulate(world, users, everything, 1) for _ in range(2)]
    assert (twice[0].active == twice[1].active).all(), "the same lives must come out twice"
    table = Table(title=f"{PEOPLE:,} people, 28 days, one core")
    for column in ("what", "per CPU-second", "of the floor"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, policy in {"click times watch": click_times_watch, "every prediction": everything}.items():
        rate = cpu(lambda run, p=policy: simulate(world, users, p, 1).totals.sessions.sum())
        table.add_row(f"user-sessions, {name}", f"{rate:,.0f}", f"{rate / FLOOR:.2f}")
    rate = cpu(lambda run: simulate(world, users, click_times_watch, 10 + run).totals.sessions.sum())
    table.add_row("user-sessions, a new seed each time", f"{rate:,.0f}", f"{rate / FLOOR:.2f}")
    many = make_users(world, 40_000, 0)
    rate = cpu(lambda run: len(explore(world, many, 1)))
    table.add_row("rows of an exploration log", f"{rate:,.0f}", "")
    Console(width=110).print(table)
    table = Table(
        "scenario", "correlation of the same people", "variance of a difference", title="pairing, 16 policies"
    )
    for name in SCENARIOS:
        correlation, share = pairing(name)
        table.add_row(name, f"{correlation:.2f}", f"x {share:.2f}")
    Console(width=110).print(table)
    table = Table("scenario", "weights of either sign", "positive weights", "gain of clicks", title="clicks")
    for name in SCENARIOS:
        table.add_row(name, *(f"{value:+.2f}" for value in clicks(name)))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
