"""What racing saves: `python tests/bench/bench_racing.py`.

A race names the best of 40 random rewards in the scenario "clickbait"; a measurement is the late active days
of one person under one reward. Its regret is how much worse that reward is than the best of the 40, in active
days: means over 400 repetitions with their standard errors, each with 40 of 120 rewards, and people drawn
with replacement from 6,000 that live once under every reward. "Same people": a unit is the same person for
every reward, so that differences are taken in pairs; "other people": every reward has people of its own. The
filters keep the ten rewards that a log of 20,000 people, which costs no user-runs, puts first by likes or by
later days of what it showed at random.
"""

from collections.abc import Callable, Sequence

import numpy as np
from bench_proxies import adjusted, place, rewards
from rich.console import Console
from rich.table import Table

from recevolve.evaluators.simulator import explore, make_users, make_world, scenario, simulate
from recevolve.evaluators.statistics import halving

POOL, ARMS, TOP, PEOPLE, REPETITIONS = 120, 40, 10, 6000, 400
BUDGETS = (4_000, 20_000)
Measure = Callable[[str, range], np.ndarray]


def lives() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(POOL, PEOPLE) late active days; and (POOL,) two proxies by name."""
    world = make_world(scenario("clickbait"), 0)
    users, log = make_users(world, PEOPLE, 0), explore(world, make_users(world, 20_000, 1), 2)
    later, days, proxies = adjusted(log), [], {"likes": [], "later days": []}
    for reward in rewards(POOL, 7):
        days.append(simulate(world, users, reward, 1).late_active_days)
        rank = place(log, reward(log.signals))
        proxies["likes"].append((rank * log.outcomes["liked"]).mean())
        proxies["later days"].append((rank * later).mean())
    return np.array(days), {name: np.array(values) for name, values in proxies.items()}


def ways(proxies: dict[str, np.ndarray], arms: Sequence[str]) -> dict[str, Callable[[Measure, int], str]]:
    """What names the best of these arms, given a way to measure and a budget."""
    found: dict[str, Callable[[Measure, int], str]] = {
        "uniform": lambda measure, budget: max(
            arms, key=lambda arm: measure(arm, range(budget // len(arms))).mean()
        ),
        "successive halving": lambda measure, budget: halving(arms, measure, budget).best,
    }
    for name, values in proxies.items():
        top = sorted(arms, key=lambda arm, values=values: -values[int(arm)])[:TOP]
        found[f"filter by {name}, then halving"] = lambda measure, budget, top=top: (
            halving(top, measure, budget).best
        )
    return found


def regrets(
    days: np.ndarray, proxies: dict[str, np.ndarray], budget: int, same: bool
) -> dict[str, np.ndarray]:
    """(REPETITIONS,) of each way to spend the budget."""
    truth = days.mean(axis=1)
    found: dict[str, list[float]] = {}
    for repetition in range(REPETITIONS):
        rng = np.random.default_rng([budget, repetition])
        arms = [f"{number:03}" for number in sorted(rng.choice(POOL, ARMS, replace=False))]
        people = rng.integers(0, PEOPLE, budget)
        shift = (
            dict.fromkeys(arms, 0) if same else dict(zip(arms, rng.integers(1, PEOPLE, ARMS), strict=True))
        )

        def measure(
            arm: str, units: range, people: np.ndarray = people, shift: dict[str, int] = shift
        ) -> np.ndarray:
            return days[int(arm), (people[units.start : units.stop] + shift[arm]) % PEOPLE]

        best = max(truth[int(arm)] for arm in arms)
        for name, way in ways(proxies, arms).items():
            found.setdefault(name, []).append(best - truth[int(way(measure, budget))])
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    """Prints a table per budget."""
    days, proxies = lives()
    spread = days.mean(axis=1)
    print(f"{POOL} rewards, late active days {spread.min():.2f} to {spread.max():.2f}, sd {spread.std():.2f}")
    for budget in BUDGETS:
        table = Table("people", "way", title=f"{budget:,} user-runs, {REPETITIONS} repetitions")
        for column in ("regret", "standard error", "of uniform"):
            table.add_column(column, justify="right")
        for same in (False, True):
            found = regrets(days, proxies, budget, same)
            for name, values in found.items():
                mean, error = values.mean(), values.std(ddof=1) / len(values) ** 0.5
                share = mean / found["uniform"].mean()
                table.add_row(
                    "same" if same else "other", name, f"{mean:.4f}", f"{error:.4f}", f"{share:.2f}"
                )
        Console(width=110).print(table)


if __name__ == "__main__":
    main()
