"""What an optimizer may be written in: the rules that its text must obey."""

from ..kinds.folder import named
from ..language.rules import Rules

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
