"""A planted reward: a formula of logged signals that should order sessions as their hidden worth does."""

import ast

import numpy as np
from scipy import stats

from recevolve.evaluators.language.rules import Rules
from recevolve.evaluators.language.vocabulary import Layout, Operator, Vocabulary

from .common import Arrays, Plant, planted

COUNTS = (100, 400)
SEEDS = {
    "clicks": '''"""Clicks, and a little for the time spent."""
WEIGHTS = {"click": 1.0, "dwell": 0.01}


def reward(click, dwell, share, skip, w):
    return w["click"] * click + w["dwell"] * dwell
''',
    "time": '''"""The logarithm of the time spent."""
import numpy

WEIGHTS = {"unit": 1.0}


def reward(click, dwell, share, skip, w):
    return numpy.log1p(w["unit"] * dwell)
''',
}
RULES = Rules(
    functions={"reward": ("click", "dwell", "share", "skip", "w")},
    constants=("WEIGHTS",),
    modules={"numpy": frozenset({"log1p", "sqrt", "abs", "minimum", "maximum", "tanh"})},
    methods=frozenset({"shape"}),
    builtins=frozenset({"abs", "float"}),
)
VOCABULARY = Vocabulary(
    layout=Layout(function="reward", constants="WEIGHTS", constants_parameter="w"),
    operators=(
        Operator("{0} + {1}", ("tensor", "tensor"), "tensor", "add", weight=2.0),
        Operator("{0} - {1}", ("tensor", "tensor"), "tensor", "subtract", weight=2.0),
        Operator("{0} * {1}", ("tensor", "tensor"), "tensor", "multiply"),
        Operator("{0} * {1}", ("scalar", "tensor"), "tensor", "scale", weight=2.0),
        Operator("{0} + {1}", ("tensor", "scalar"), "tensor", "shift"),
        Operator("numpy.log1p(numpy.abs({0}))", ("tensor",), "tensor", "take log(1 + size) of"),
        Operator("numpy.sqrt(numpy.abs({0}))", ("tensor",), "tensor", "take the root of the size of"),
        Operator("numpy.tanh({0})", ("tensor",), "tensor", "squash"),
        Operator("numpy.minimum({0}, {1})", ("tensor", "tensor"), "tensor", "take the smaller of"),
    ),
    leaves={"click": "tensor", "dwell": "tensor", "share": "tensor", "skip": "tensor"},
)


def inputs(draw: int, rung: int) -> Arrays:
    """Signals of sessions: clicks, seconds, shares, and how much was skipped."""
    rng = np.random.default_rng(draw)
    count = COUNTS[rung]
    return {
        "click": rng.poisson(2.0, count).astype(float),
        "dwell": rng.exponential(30.0, count),
        "share": rng.binomial(1, 0.2, count).astype(float),
        "skip": rng.beta(1.0, 3.0, count),
    }


def hidden(click: np.ndarray, dwell: np.ndarray, share: np.ndarray, skip: np.ndarray) -> np.ndarray:
    """What was planted."""
    return 0.9 * np.log1p(dwell / 7.0) + 1.6 * share * np.tanh(0.45 * click) - 2.2 * skip + 0.17 * click


def score(out: np.ndarray, draw: int, rung: int) -> float | str:
    """Spearman's rank correlation with the hidden worth."""
    if out.shape != (COUNTS[rung],):
        return "must return one number for each session"
    if np.ptp(out) == 0:
        return "must tell sessions apart"
    ranks = stats.rankdata(out), stats.rankdata(hidden(**inputs(draw, rung)))
    return float(np.corrcoef(*ranks)[0, 1])


def describe(source: str) -> tuple[str, ...]:
    """Which signals a program reads."""
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return tuple(sorted(names & {"click", "dwell", "share", "skip"}))


TASK = planted(
    "reward",
    Plant(
        "def call(click, dwell, share, skip):\n    return reward(click, dwell, share, skip, WEIGHTS)\n",
        inputs,
        score,
    ),
    contract="def reward(click, dwell, share, skip, w) -> array",
    seeds=SEEDS,
    rules=RULES,
    vocabulary=VOCABULARY,
    describe=describe,
)
