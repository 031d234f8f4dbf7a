"""What an optimizer may be written in, and what makes its text a different program: its diversity cell."""

import ast

from ..kinds.folder import named
from ..kinds.patch import constants_of
from ..language.rules import Rules

MOST_SLOTS = 3
"""State tensors per weight that are counted one by one."""
ELEMENTWISE = frozenset({
    "abs", "atan", "clamp", "cos", "erf", "exp", "expm1", "full_like", "isfinite", "lerp", "log", "log1p",
    "maximum", "minimum", "nan_to_num", "neg", "ones_like", "pow", "reciprocal", "relu", "rsqrt", "sigmoid",
    "sign", "sin", "sqrt", "square", "tanh", "where", "zeros_like",
})  # fmt: skip
"""Names in torch, or methods, that treat each number by itself: a program of these may see tensors joined."""
ACROSS = frozenset({"amax", "amin", "matmul", "mean", "norm", "outer", "std", "sum", "var"})
SHAPES = frozenset(
    {"T", "dim", "expand_as", "mT", "ndim", "numel", "reshape", "shape", "transpose", "unsqueeze"}
)

RULES = Rules(
    functions={"init": ("param",), "update": ("grad", "state", "param", "step", "hp")},
    constants=("HYPERPARAMETERS",),
    modules={
        "torch": ELEMENTWISE | ACROSS | {"zeros"},
        "math": frozenset({"cos", "exp", "log", "log1p", "pi", "pow", "sin", "sqrt", "tanh"}),
    },
    methods=(ELEMENTWISE | ACROSS | SHAPES) - {"full_like", "ones_like", "outer", "zeros_like"},
    builtins=frozenset({"abs", "float", "int", "len", "max", "min", "range"}),
)

ALLOWED = {
    **{f"from `{module}`": named(names) for module, names in RULES.modules.items()},
    "on tensors": named(RULES.methods),
    "built in": named(RULES.builtins),
}
"""The allowed names for a reader, by the place that they may be used in."""


def describe(source: str) -> tuple[str, ...]:
    """Diversity cell: words for state, scaling, direction, schedule, use of weights, reach; nothing is run.

    For example ("2 slots", "root", "plain", "scheduled", "translates", "elementwise").
    """
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    init, update = functions["init"], functions["update"]
    called = {node.attr for node in ast.walk(update) if isinstance(node, ast.Attribute)}
    names = {node.id for node in ast.walk(update) if isinstance(node, ast.Name)}
    powers = any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) for node in ast.walk(update))
    slots = max((len(node.keys) for node in ast.walk(init) if isinstance(node, ast.Dict)), default=0)
    scaled = any(
        isinstance(node, ast.Name) and node.id == "param"
        for parent in ast.walk(update)
        if isinstance(parent, ast.Call) or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult))
        for node in ast.iter_child_nodes(parent)
    )
    return (
        f"{min(slots, MOST_SLOTS)}{'+' if slots >= MOST_SLOTS else ''} slots",
        "root" if called & {"sqrt", "rsqrt"} else "power" if powers or "pow" in called else "linear",
        "sign" if called & {"sign", "tanh", "clamp"} else "plain",
        "scheduled" if "step" in names else "steady",
        "weighs" if scaled else "translates",
        "across"
        if called & {"mean", "norm", "sum", "amax", "amin", "std", "var", "matmul"}
        else "elementwise",
    )


def rate(source: str) -> float:
    """The learning rate that a program holds."""
    return float(constants_of(ast.parse(source))["HYPERPARAMETERS"]["lr"])
