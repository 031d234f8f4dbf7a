"""What an interaction layer may be written in: the rules that its text must obey."""

from ..kinds.folder import named
from ..language.rules import Rules

ELEMENTWISE = frozenset({
    "abs", "clamp", "cos", "erf", "exp", "lerp", "log1p", "maximum", "minimum", "neg", "pow", "reciprocal",
    "relu", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "square", "tanh", "where",
})  # fmt: skip
ACROSS = frozenset({
    "amax", "amin", "bmm", "layer_norm", "logsumexp", "matmul", "mean", "softmax", "sum",
})  # fmt: skip
SHAPES = frozenset({
    "dim", "expand_as", "flatten", "index_select", "mT", "permute", "reshape", "shape", "squeeze",
    "transpose", "unsqueeze",
})  # fmt: skip
JOINS = frozenset({"cat", "stack"})
INDICES = frozenset({"tril_indices", "triu_indices"})
"""Integer constants; whatever is computed from them but a choice of columns is refused when it runs."""
MAKERS = frozenset({"eye", "full", "ones", "rand", "randn", "zeros"})
"""What makes tensors out of nothing: parameters, which are counted, and nothing else."""

RULES = Rules(
    functions={"init": ("fields", "dim", "hp"), "interact": ("x", "params", "hp")},
    constants=("HYPERPARAMETERS",),
    modules={
        "torch": ELEMENTWISE | ACROSS | JOINS | INDICES | MAKERS | {"flatten", "reshape", "transpose"},
        "math": frozenset({"exp", "log", "pi", "sqrt"}),
    },
    methods=(ELEMENTWISE | ACROSS | SHAPES) - {"layer_norm"},
    builtins=frozenset({"float", "int", "len", "max", "min", "range"}),
    places={f"torch.{name}": "init" for name in MAKERS},
)

ALLOWED = {
    "from `torch`": named(RULES.modules["torch"] - MAKERS),
    "from `torch`, in `init` alone": named(MAKERS),
    "from `math`": named(RULES.modules["math"]),
    "on tensors": f"{named(RULES.methods)}, and `@`",
    "built in": named(RULES.builtins),
}
"""The allowed names for a reader, by the place that they may be used in."""
