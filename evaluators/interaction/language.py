"""What an interaction layer may be written in, and what makes its text a different program."""

import ast

from ..kinds.folder import named
from ..language.rules import Rules

MOST_TENSORS = 4
GATES = frozenset({"sigmoid", "softmax", "tanh"})
BENDS = frozenset({"relu", "square", "abs", "exp", "log1p", "erf", "sin", "cos", "clamp"})
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


def describe(source: str) -> tuple[str, ...]:
    """Diversity cell: words for parameters, products, bends, reach, normalisation, joins; nothing is run.

    For example ("2 tensors", "2 products", "gate", "fields apart", "plain", "one stream").
    """
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    init, interact = functions["init"], functions["interact"]
    called = {node.attr for node in ast.walk(interact) if isinstance(node, ast.Attribute)}
    tensors = max((len(node.keys) for node in ast.walk(init) if isinstance(node, ast.Dict)), default=0)
    products = sum(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mult)
        and not any(isinstance(side, ast.Constant) for side in (node.left, node.right))
        for node in ast.walk(interact)
    )
    return (
        f"{min(tensors, MOST_TENSORS)}{'+' if tensors >= MOST_TENSORS else ''} tensors",
        f"{min(products, 3)}{'+' if products >= 3 else ''} products",
        "gate" if called & GATES else "bend" if called & BENDS else "polynomial",
        "pairs" if "bmm" in called else "pooled" if called & {"sum", "mean", "amax"} else "flat",
        "normal" if "layer_norm" in called else "plain",
        "joined" if called & {"cat", "stack"} else "one stream",
    )
