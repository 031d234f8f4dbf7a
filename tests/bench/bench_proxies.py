"""Which proxies of one exploration log rank rewards as the north star does: `python tests/bench/bench_proxies.py`.

60 random rewards, 20 weighted sums, 20 products, 20 sums with weights of either sign. North star: late active
days of people whom the reward ranks for. Proxies from a log of about 100,000 sessions, in which the first place
shows one of eight candidates at random. Spearman's correlation of each proxy with the north star over the
rewards: mean over worlds, and the range. `--people` 40000 in the log, `--worlds` 4, `--scenario` all.
"""

import argparse
from collections.abc import Callable, Mapping

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from recevolve.evaluators.simulator import (
    SCENARIOS,
    Exploration,
    explore,
    make_users,
    make_world,
    scenario,
    simulate,
)

Signals = Mapping[str, np.ndarray]
Reward = Callable[[Signals], np.ndarray]
SCALES = {"click": 0.15, "watch": 30.0, "like": 0.03, "survey": 1.8}
SPREADS = {"click": 0.6, "watch": 0.6, "like": 2.0, "survey": 1.8}


def rewards(count: int, seed: int) -> list[Reward]:
    """Random rewards over the four predictions."""
    rng = np.random.default_rng(seed)
    made: list[Reward] = []
    for number in range(count):
        weights = np.abs(rng.normal(size=4)) * (rng.random(4) < 0.7)
        weights[int(rng.integers(4))] += 0.1
        if number % 3 == 2:
            weights *= np.where(rng.random(4) < 0.75, 1, -1)
        made.append(product(weights) if number % 3 == 1 else total(weights))
    return made


def total(weights: np.ndarray) -> Reward:
    """A weighted sum."""
    return lambda s: sum(
        float(w) * s[name] / scale for w, (name, scale) in zip(weights, SCALES.items(), strict=True)
    )


def product(weights: np.ndarray) -> Reward:
    """A product of powers, as its logarithm."""

    def reward(s: Signals) -> np.ndarray:
        logs = {name: s[name] if name == "survey" else np.log(s[name] + 1e-6) for name in SPREADS}
        return sum(
            float(w) * logs[name] / spread for w, (name, spread) in zip(weights, SPREADS.items(), strict=True)
        )

    return reward


def adjusted(log: Exploration) -> np.ndarray:
    """(M,) later days less their mean among sessions of people who came as often the week before."""
    cells = log.before.astype(int) * 2 + log.signals["heavy"][:, 0].astype(int)
    later = log.outcomes["later_days"].astype(float)
    return later - (np.bincount(cells, later) / np.maximum(np.bincount(cells), 1))[cells]


def proxies(log: Exploration, reward: Reward, later: np.ndarray) -> dict[str, float]:
    """Each proxy of a reward, higher is better."""
    scores = np.asarray(reward(log.signals), dtype=float)
    of_chosen = scores[np.arange(len(log)), log.chosen]
    others = scores.shape[1] - 1
    rank = (scores < of_chosen[:, None]).sum(1) / others - 0.5
    first = rank == 0.5
    z = (scores - scores.mean(1, keepdims=True)) / (scores.std(1, keepdims=True) + 1e-9)
    soft = np.exp(2 * z)
    weight = soft[np.arange(len(log)), log.chosen] / soft.sum(1)
    clicked, liked, hated = (log.outcomes[name] for name in ("clicked", "liked", "hated"))
    return {
        "later days, adjusted, on the score over all rows": float(spearmanr(of_chosen, later).statistic),
        "later days, adjusted, on the score less its session's mean": float(
            np.corrcoef(of_chosen - scores.mean(1), later)[0, 1]
        ),
        "later days, adjusted, on the rank within its session": float((rank * later).mean()),
        "later days, as they are, on the rank within its session": float(
            (rank * log.outcomes["later_days"]).mean()
        ),
        "returned the next day, on the rank within its session": float(
            (rank * log.outcomes["returned"]).mean()
        ),
        "SNIPS of the best choice, later days": float(log.outcomes["later_days"][first].mean()),
        "SNIPS of the best choice, later days, adjusted": float(later[first].mean()),
        "SNIPS of a softmax of standardised scores, adjusted": float((weight * later).sum() / weight.sum()),
        "likes, on the rank": float((rank * liked).mean()),
        "hates, on the rank, negated": -float((rank * hated).mean()),
        "clicks, on the rank": float((rank * clicked).mean()),
        "SNIPS of the best choice, clicks": float(clicked[first].mean()),
        "SNIPS of the best choice, seconds watched": float(log.outcomes["watched"][first].mean()),
    }


def measured(name: str, seed: int, people: int) -> tuple[int, float, dict[str, float]]:
    """Rows of the log, the share of the variance of later days left by adjusting, each proxy's correlation."""
    world = make_world(scenario(name), seed)
    log = explore(world, make_users(world, people, 100 + seed), 200 + seed)
    users, field = make_users(world, 4000, seed), rewards(60, 7)
    truth = [simulate(world, users, reward, 300 + seed).late_active_days.mean() for reward in field]
    later = adjusted(log)
    values = [proxies(log, reward, later) for reward in field]
    left = float(later.var() / log.outcomes["later_days"].var())
    return (
        len(log),
        left,
        {key: float(spearmanr([v[key] for v in values], truth).statistic) for key in values[0]},
    )


def main() -> None:
    """Prints a table per scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=40_000)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    options = parser.parse_args()
    for name in options.scenario or SCENARIOS:
        found = [measured(name, seed, options.people) for seed in range(options.worlds)]
        rows = sum(each[0] for each in found) // len(found)
        left = np.mean([each[1] for each in found])
        title = (
            f"{name}: {len(found)} worlds, {rows:,} rows each; adjusting leaves {left:.2f} of the variance"
        )
        table = Table("proxy", title=title)
        for column in ("Spearman", "least", "most"):
            table.add_column(column, justify="right")
        for key in found[0][2]:
            values = [each[2][key] for each in found]
            table.add_row(key, *(f"{value:+.3f}" for value in (np.mean(values), min(values), max(values))))
        Console(width=110).print(table)


if __name__ == "__main__":
    main()
