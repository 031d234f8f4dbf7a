"""A planted expression: f(x, y) must follow a hidden formula with constants that are no round numbers."""

import ast

import numpy as np

from recevolve.evaluators.language.rules import Rules
from recevolve.evaluators.language.vocabulary import Layout, Operator, Vocabulary

from .common import Arrays, Plant, planted

COUNTS = (24, 96)
BOUND = (-20.0, 20.0)
SEEDS = {
    "plane": '''"""A plane."""
CONSTANTS = {"a": 0.5, "b": 0.5}


def f(x, y, c):
    return c["a"] * x + c["b"] * y
''',
    "wave": '''"""A wave along x."""
import numpy

CONSTANTS = {"a": 1.0, "w": 1.0}


def f(x, y, c):
    return c["a"] * numpy.sin(c["w"] * x)
''',
}
RULES = Rules(
    functions={"f": ("x", "y", "c")},
    constants=("CONSTANTS",),
    modules={"numpy": frozenset({"tanh", "sin", "cos", "abs", "square"})},
    methods=frozenset({"shape"}),
    builtins=frozenset({"abs", "float"}),
)
VOCABULARY = Vocabulary(
    layout=Layout(
        function="f",
        constants="CONSTANTS",
        constants_parameter="c",
        bounds=dict.fromkeys(("a", "b", "w"), BOUND),
    ),
    operators=(
        Operator("{0} + {1}", ("tensor", "tensor"), "tensor", "add", weight=2.0),
        Operator("{0} - {1}", ("tensor", "tensor"), "tensor", "subtract"),
        Operator("{0} * {1}", ("tensor", "tensor"), "tensor", "multiply", weight=2.0),
        Operator("{0} * {1}", ("scalar", "tensor"), "tensor", "scale", weight=2.0),
        Operator("{0} + {1}", ("tensor", "scalar"), "tensor", "shift"),
        Operator("numpy.tanh({0})", ("tensor",), "tensor", "squash"),
        Operator("numpy.sin({0})", ("tensor",), "tensor", "take the sine of"),
        Operator("numpy.square({0})", ("tensor",), "tensor", "square"),
    ),
    leaves={"x": "tensor", "y": "tensor"},
)


def inputs(draw: int, rung: int) -> Arrays:
    """Points of the square from -3 to 3."""
    points = np.random.default_rng(draw).uniform(-3, 3, (2, COUNTS[rung]))
    return {"x": points[0], "y": points[1]}


def hidden(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What was planted."""
    return 1.7 * np.sin(1.37 * x + 0.4) + 0.62 * x * y - 0.83 * np.tanh(2.1 * y)


def score(out: np.ndarray, draw: int, rung: int) -> float | str:
    """The negative mean squared error."""
    if out.shape != (COUNTS[rung],):
        return "must return one number for each point"
    return -float(np.mean((out - hidden(**inputs(draw, rung))) ** 2))


def describe(source: str) -> tuple[str, ...]:
    """Which functions a program calls."""
    return tuple(
        sorted({node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)})
    )


TASK = planted(
    "expression",
    Plant("def call(x, y):\n    return f(x, y, CONSTANTS)\n", inputs, score),
    contract="def f(x, y, c) -> array",
    seeds=SEEDS,
    rules=RULES,
    vocabulary=VOCABULARY,
    describe=describe,
)
