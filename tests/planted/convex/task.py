"""A bench of convex problems for optimizers: an ill-conditioned quadratic and a logistic regression."""

import ast

import numpy as np

from recevolve.evaluators.language.rules import Rules
from recevolve.evaluators.language.vocabulary import Idiom, Layout, Operator, Vocabulary

from .common import Arrays, Plant, planted

SIZE, ROWS = 8, 60
STEPS = (12, 40)
LEAST = 1e-12
FARTHEST = 1e6
DRIVER = """
def run(gradient, x, steps):
    state = init(x)
    for step in range(1, steps + 1):
        x, state = update(gradient(x), state, x, step, HYPERPARAMETERS)
    return x


def call(curvature, target, features, labels, start, steps):
    import numpy

    def quadratic(x):
        return curvature @ (x - target)

    def logistic(x):
        return features.T @ (1.0 / (1.0 + numpy.exp(-features @ x)) - labels) / len(labels) + 0.01 * x

    count = int(steps[0])
    return numpy.stack([run(quadratic, start, count), run(logistic, start, count)])
"""
SEEDS = {
    "descent": '''"""Gradient descent."""
HYPERPARAMETERS = {"lr": 0.1}


def init(param):
    return {}


def update(grad, state, param, step, hp):
    return param - hp["lr"] * grad, {}
''',
    "momentum": '''"""Gradient descent with momentum."""
HYPERPARAMETERS = {"lr": 0.05, "beta": 0.5}


def init(param):
    return {"mean": 0.0 * param}


def update(grad, state, param, step, hp):
    mean = hp["beta"] * state["mean"] + grad
    return param - hp["lr"] * mean, {"mean": mean}
''',
}
RULES = Rules(
    functions={"init": ("param",), "update": ("grad", "state", "param", "step", "hp")},
    constants=("HYPERPARAMETERS",),
    modules={"numpy": frozenset({"sqrt", "abs", "sign", "square", "tanh"})},
    methods=frozenset({"shape"}),
    builtins=frozenset({"abs", "float", "min", "max"}),
)
VOCABULARY = Vocabulary(
    layout=Layout(
        function="update",
        constants="HYPERPARAMETERS",
        constants_parameter="hp",
        state_function="init",
        state_parameter="state",
        pinned=frozenset({"lr"}),
        bounds={
            "lr": (1e-6, 100.0),
            "eps": (1e-12, 1.0),
            **dict.fromkeys(("beta", "decay"), (0.0, 0.999999)),
        },
    ),
    operators=(
        Operator("{0} + {1}", ("tensor", "tensor"), "tensor", "add"),
        Operator("{0} - {1}", ("tensor", "tensor"), "tensor", "subtract"),
        Operator("{0} * {1}", ("scalar", "tensor"), "tensor", "scale", weight=2.0),
        Operator("numpy.sign({0})", ("tensor",), "tensor", "take the sign of"),
        Operator("numpy.sqrt(numpy.abs({0}))", ("tensor",), "tensor", "take the root of the size of"),
        Operator("1.0 - {0}", ("scalar",), "scalar", "take one minus"),
        Operator("1.0 / (1.0 + 0.01 * {0})", ("int",), "scalar", "decay slowly with"),
    ),
    idioms=(
        Idiom(
            "momentum",
            "smooth by an exponential moving average",
            ("tensor",),
            constants={"beta": 0.9},
            state={"mean": "0.0 * param"},
            statements=("new = beta * mean + (1.0 - beta) * {0}",),
            kept={"mean": "new"},
            result="new",
        ),
        Idiom(
            "nesterov",
            "look ahead along a sum that fades",
            ("tensor",),
            constants={"beta": 0.5},
            state={"mean": "0.0 * param"},
            statements=("new = beta * mean + {0}",),
            kept={"mean": "new"},
            result="beta * new + {0}",
        ),
        Idiom(
            "fading total",
            "divide by the root of the moving mean of squares",
            ("tensor",),
            constants={"decay": 0.9, "eps": 1e-8},
            state={"square": "0.0 * param"},
            statements=("new = decay * square + (1.0 - decay) * {0} * {0}",),
            kept={"square": "new"},
            result="{0} / (numpy.sqrt(new) + eps)",
        ),
    ),
    leaves={"grad": "tensor", "param": "tensor", "step": "int"},
    literals=(0.01, 0.1, 0.5, 0.9, 1.0, 2.0),
    ranges={"step": (1.0, 1e9)},
    follows={"param": 1, "grad": -1},
)


def inputs(draw: int, rung: int) -> Arrays:
    """The problems of a draw; how many steps there are grows with the rung."""
    rng = np.random.default_rng(draw)
    basis, _ = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))
    features = rng.normal(size=(ROWS, SIZE)) * np.geomspace(0.3, 3.0, SIZE)
    labels = (features @ rng.normal(size=SIZE) + rng.normal(size=ROWS) > 0).astype(float)
    return {
        "curvature": basis @ np.diag(np.geomspace(0.02, 2.0, SIZE)) @ basis.T,
        "target": rng.normal(size=SIZE),
        "features": features,
        "labels": labels,
        "start": np.zeros(SIZE),
        "steps": np.array([STEPS[rung]]),
    }


def losses(at: np.ndarray, given: Arrays) -> np.ndarray:
    """(2,) losses of a point for each problem."""
    away = at[0] - given["target"]
    signs = np.where(given["labels"] > 0, -1.0, 1.0) * (given["features"] @ at[1])
    return np.array(
        [away @ given["curvature"] @ away / 2, np.logaddexp(0, signs).mean() + 0.005 * at[1] @ at[1]]
    )


def lowest(given: Arrays) -> np.ndarray:
    """(2,) least losses; the logistic one by Newton's method."""
    features, labels = given["features"], given["labels"]
    x = np.zeros(SIZE)
    for _ in range(50):
        odds = 1 / (1 + np.exp(-features @ x))
        slope = features.T @ (odds - labels) / ROWS + 0.01 * x
        bend = features.T @ (features * (odds * (1 - odds))[:, None]) / ROWS + 0.01 * np.eye(SIZE)
        x = x - np.linalg.solve(bend, slope)
    return losses(np.stack([given["target"], x]), given)


def score(out: np.ndarray, draw: int, rung: int) -> float | str:
    """The mean over the problems of -log10 of the share of the gap to the optimum that is left."""
    if out.shape != (2, SIZE):
        return "must keep the shape of the parameters"
    given = inputs(draw, rung)
    best = lowest(given)
    out = np.clip(out, -FARTHEST, FARTHEST)
    left = (losses(out, given) - best) / (losses(np.zeros((2, SIZE)), given) - best)
    return -float(np.log10(np.maximum(left, LEAST)).mean())


def describe(source: str) -> tuple[str, ...]:
    """Which state slots a program keeps."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "init":
            keys = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            return tuple(sorted(key.rstrip("0123456789") for key in keys if isinstance(key, str)))
    return ()


TASK = planted(
    "convex",
    Plant(DRIVER, inputs, score),
    contract="def init(param); def update(grad, state, param, step, hp)",
    seeds=SEEDS,
    rules=RULES,
    vocabulary=VOCABULARY,
    describe=describe,
)
