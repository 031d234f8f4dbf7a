"""The engine's own exam: does a search close the gap? `python tests/bench/bench_exam.py [seeds]`.

In the scenario `clickbait` what is clicked drives users away. From the seeds `click` and `watch`, with
syntax edits alone, the search has CANDIDATES candidates to find a reward that keeps them. What it launches
is measured at length, on worlds that it never saw, and placed between the better of its two seeds (0 %) and
the best of 2,000 random formulas (100 %), which halving finds over simulated lives. Beside it, with as many
candidates: the same search on click rate alone, and random search among formulas grown from the same words,
with the same proxy and north star. Exits with 1 where the search does not recover 80 % on average, or where
click rate does not fail.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from recevolve.engine.propose.syntax.tree import ProgramTree, Unsuitable
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.reward.fast import Undefined, formula
from recevolve.evaluators.reward.judge import RewardJudge
from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.reward.task import TASK, VERSION
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.evaluators.simulator import World, make_users, make_world, scenario, simulate
from recevolve.evaluators.statistics import Moments, paired, survivors
from recevolve.population.archive.archive import Archive

SEEDS, CANDIDATES, FORMULAS, PROMOTIONS = 10, 480, 2_000, 16
SCENARIO = "clickbait"
FIRST_WORLD = 900_000
"""Worlds from here on belong to no split of any search."""
STAGES = ((FORMULAS, 1, 1_500), (300, 2, 4_000), (40, 4, 10_000), (10, 8, 20_000))
"""(formulas, worlds, users in each) of the search for the best random formula."""
LENGTH = STAGES[-1][1:]
CONFIG = """
kind = "reward"
run_dir = "{run_dir}"
seed = {seed}
seeds = ["click", "watch"]

[data]
source = "simulated"

[population]
islands = 2
size = 16
births = 16

[budget]
generations = 15
seconds = 3600

[propose]
mixture = {{ syntax = 1.0 }}

[online]
backend = "simulator"
gate = false

[executor]
workers = 1

[reward]
scenario = "{scenario}"
seed = {seed}
{settings}
"""
CONDITIONS = {
    "search": "",
    "search on click rate": 'proxy = "clicked"\nnorth_star = "click_rate"',
}
NAMES = tuple(one.name for one in SIMULATED.predictions)


def truth(source: str, stage: tuple[int, int]) -> float:
    """Late active days per user at that length; higher is better."""
    worlds, users = stage
    return float(np.mean([late_days(source, FIRST_WORLD + number, users) for number in range(worlds)]))


def late_days(source: str, number: int, users: int) -> float:
    """Late active days per user in one world; minus infinity for a formula that has no value there."""
    reward = formula(source, frozenset(NAMES))
    assert reward is not None, "the exam's formulas are plain"

    def policy(signals: Mapping[str, Any]) -> Any:
        shape = signals[NAMES[0]].shape
        columns = {name: np.ascontiguousarray(signals[name], dtype=np.float64).ravel() for name in NAMES}
        return np.nan_to_num(reward(columns), nan=-1e300).reshape(shape)

    try:
        lives = simulate(world(number), make_users(world(number), users, number), policy, number)
    except Undefined:
        return -np.inf
    return float(lives.late_active_days.mean())


@lru_cache(maxsize=16)
def world(number: int) -> World:
    """The items of one world."""
    return make_world(scenario(SCENARIO), number)


def random_formulas(count: int, seed: int, *, products: bool) -> list[str]:
    """Formulas grown from the words that searches breed with.

    With `products` every second one is a product of powers of all predictions, which suits these users well.
    """
    rng = np.random.Generator(np.random.Philox([seed, 11]))
    found: list[str] = []
    while len(found) < count:
        text = _product(rng) if products and len(found) % 2 else _grown(rng)
        if not check(text, TASK.rules) and formula(canonical(text), frozenset(NAMES)) is not None:
            found.append(canonical(text))
    return found


def _product(rng: np.random.Generator) -> str:
    a, b, c, d = (round(float(value), 3) for value in rng.normal(0, 1, 4))
    return (
        "import numpy\n\nWEIGHTS = {}\n\n\ndef reward(signals):\n"
        f'    time = {b} * numpy.log1p(signals["watch"])\n'
        f'    likes = {c} * numpy.log(signals["like"] + 1e-6)\n'
        f'    return {a} * numpy.log(signals["click"] + 1e-6) + time + likes + {d} * signals["survey"]\n'
    )


def _grown(rng: np.random.Generator) -> str:
    while True:
        tree = ProgramTree(TASK.seeds["click"], TASK.vocabulary)
        site = tree.types().sites[0]
        try:
            grown = tree.grow("tensor", site.scope, rng, 4)
        except Unsuitable:
            continue
        return f"import numpy\n\nWEIGHTS = {{}}\n\n\ndef reward(signals):\n    return {grown}\n"


def best_random() -> tuple[str, float]:
    """The best of FORMULAS random formulas and its truth, found by halving."""
    field = random_formulas(FORMULAS, 0, products=True)
    with ProcessPoolExecutor(2) as pool:
        for keep, *stage in STAGES:
            field = field[:keep]
            values = list(pool.map(truth, field, [tuple(stage)] * len(field), chunksize=4))
            ranked = sorted(zip(values, field, strict=True), reverse=True)
            field = [text for _, text in ranked]
    return field[0], ranked[0][0]


def searched(condition: str, seed: int, folder: Path) -> tuple[str, float]:
    """The source that a run launches, and the seconds that it took."""
    run_dir = folder / f"{condition.replace(' ', '-')}-{seed}"
    config = run_dir.with_suffix(".toml")
    text = CONFIG.format(run_dir=run_dir, seed=seed, scenario=SCENARIO, settings=CONDITIONS[condition])
    config.write_text(text, encoding="utf-8")
    begin = time.monotonic()
    command = [sys.executable, "-m", "recevolve", "run", str(config), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{condition}, seed {seed} failed:\n{done.stderr[-4_000:]}")
    report = json.loads(done.stdout.splitlines()[-1])
    with Archive.read(run_dir / "archive.db") as archive:
        return archive.program(report["winner"]["program"]).source, time.monotonic() - begin


def random_search(seed: int) -> str:
    """The best of as many random formulas as a search has candidates, by the same proxy and north star."""
    judge = RewardJudge({"source": "simulated"}, {"scenario": SCENARIO, "seed": seed}, Limits(), VERSION)
    with Sandbox(TASK.preload) as sandbox:
        field = dict(enumerate(random_formulas(CANDIDATES, seed + 1, products=False)))
        for rung in range(judge.rungs):
            verdicts = {name: judge.proxy(text, rung, sandbox) for name, text in field.items()}
            scores = {str(name): one.score.value for name, one in verdicts.items() if one.score}
            kept = survivors(scores, 0.4 if rung < judge.rungs - 1 else 1.0, 4)
            field = {int(name): field[int(name)] for name in kept}
        promoted = list(field.values())[:PROMOTIONS]
        means = [
            Moments.of(
                [_score(judge.north_star(text, "selection", fold, 4, sandbox)) for fold in range(4)]
            ).mean
            for text in promoted
        ]
    return promoted[int(np.argmax(means))]


def _score(verdict: Any) -> float:
    return verdict.score.value if verdict.score else -1e9


def shares(values: Sequence[float], low: float, high: float) -> list[float]:
    """Where each value lies between low (0) and high (1)."""
    return [(value - low) / (high - low) for value in values]


def main(seeds: int) -> int:
    """0 where the exam is passed."""
    begin = time.monotonic()
    single = max(truth(TASK.seeds[name], LENGTH) for name in ("click", "watch"))
    text, best = best_random()
    print(f"late active days of 14, {LENGTH[0]} worlds of {LENGTH[1]:,} users: better of click and watch "
          f"{single:.3f}, best of {FORMULAS:,} random formulas {best:.3f}")  # fmt: skip
    print(f"which is{text.split('def reward(signals):', 1)[1]}")
    print(f"{time.monotonic() - begin:.0f} s so far\n", flush=True)
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as threads:
        for condition in CONDITIONS:
            jobs = [threads.submit(searched, condition, seed, Path(name)) for seed in range(seeds)]
            launched, seconds = zip(*(job.result() for job in jobs), strict=True)
            with ProcessPoolExecutor(2) as pool:
                rows[condition] = shares(list(pool.map(truth, launched, [LENGTH] * seeds)), single, best)
            show(condition, rows[condition], f"{np.median(seconds):.0f} s a run")
    with ProcessPoolExecutor(2) as pool:
        launched = list(pool.map(random_search, range(seeds)))
        rows["random search"] = shares(list(pool.map(truth, launched, [LENGTH] * seeds)), single, best)
    show("random search", rows["random search"], f"{CANDIDATES} formulas")
    print(f"\n{time.monotonic() - begin:.0f} s in all")
    return int(np.mean(rows["search"]) < 0.8 or np.mean(rows["search on click rate"]) > 0)


def show(condition: str, found: Sequence[float], note: str) -> None:
    """One line of the table."""
    gain = paired(found, [0.0] * len(found)) if len(found) > 1 else None
    interval = f" [{gain.low:+.0%}, {gain.high:+.0%}]" if gain else ""
    each = " ".join(f"{share:+.0%}" for share in found)
    print(f"{condition:22} recovers {np.mean(found):+.0%}{interval}: {each} ({note})", flush=True)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS))
