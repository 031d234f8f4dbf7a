"""Our statistics against maintained libraries: online-fdr, ville and sb-obp, in an environment of their own.

`make oracles` installs them aside and runs this. A process that imports nothing of ours gives their answers.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recevolve.evaluators.statistics import (
    Moments,
    confidence_sequence,
    doubly_robust,
    lord_level,
    snips,
)

FOLDER = "RECEVOLVE_ORACLES"
"""The variable that names the folder that `make oracles` installed into."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        FOLDER not in os.environ,
        reason=f"{FOLDER} names no folder: `make oracles` installs the libraries and sets it",
    ),
]


def ask(name: str, **question: Any) -> dict[str, Any]:
    """What the library answers to one question."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"PYTHONPATH": os.environ[FOLDER], "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-P", Path(__file__).with_name("answers.py")],
        input=json.dumps([[name, question]]),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)[0]
    return answer


@pytest.mark.parametrize(("alpha", "wealth"), [(0.05, 0.025), (0.1, 0.01)])
def test_levels_of_a_stream_are_those_of_online_fdr(alpha: float, wealth: float) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=400) + 3.5 * (rng.random(400) < 0.2)
    p_values = [math.erfc(max(each, 0) / 2**0.5) / 2 for each in z]
    theirs = ask("levels", p_values=p_values, alpha=alpha, wealth=wealth)
    rejected: list[bool] = []
    levels = []
    for number, p in enumerate(p_values):
        levels.append(lord_level(rejected, number, alpha, wealth))
        rejected.append(p <= levels[-1])
    assert sum(rejected) > 20
    assert levels == pytest.approx(theirs["levels"], rel=1e-9)
    assert rejected == theirs["rejected"]


@pytest.mark.parametrize("tuned_at", [150, 1000])
def test_confidence_sequences_are_those_of_ville(tuned_at: int) -> None:
    values = np.random.default_rng(1).exponential(size=1500) + 3
    theirs = ask("sequence", values=values.tolist(), alpha=0.05, tuned_at=tuned_at)["ends"]
    for count in (50, 99, 100, 101, 400, 1500):
        ours = confidence_sequence(Moments.of(values[:count]), 0.05, tuned_at=tuned_at)
        if theirs[count - 1] is None:
            assert (ours.low, ours.high) == (-math.inf, math.inf)
        else:
            assert (ours.low, ours.high) == pytest.approx(theirs[count - 1], rel=1e-6)


def test_values_of_policies_are_those_of_sb_obp() -> None:
    rng = np.random.default_rng(3)
    rows, actions = 3000, 10
    logging, target = rng.dirichlet(np.ones(actions), rows), rng.dirichlet(np.ones(actions), rows)
    chosen = (logging.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1).clip(0, actions - 1)
    at = np.arange(rows), chosen
    rewards, model = rng.random(rows), rng.random((rows, actions))
    theirs = ask(
        "values",
        rewards=rewards.tolist(),
        actions=chosen.tolist(),
        logged=logging[at].tolist(),
        target=target.tolist(),
        model=model.tolist(),
    )
    ours = {
        "snips": snips(rewards, target[at], logging[at]),
        "dr": doubly_robust(rewards, target[at], logging[at], model[at], (target * model).sum(axis=1)),
    }
    assert {name: value.interval.estimate for name, value in ours.items()} == pytest.approx(theirs, rel=1e-12)
