"""What an optimizer may be written in: the rules that its text must obey."""

from ..language.static import Rules

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


def allowed() -> str:
    """The allowed names as Markdown, one line for each place that they may be used in."""

    def words(names: frozenset[str]) -> str:
        return ", ".join(f"`{name}`" for name in sorted(names))

    lines = [f"- from `{module}`: {words(names)}" for module, names in RULES.modules.items()]
    lines += [f"- on tensors: {words(RULES.methods)}", f"- built in: {words(RULES.builtins)}"]
    return "\n".join(lines) + "\n"
