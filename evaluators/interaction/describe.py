"""The diversity cell of a layer: what it trains and how it combines, in short words."""

import ast

MOST_TENSORS = 4
GATES = frozenset({"sigmoid", "softmax", "tanh"})
BENDS = frozenset({"relu", "square", "abs", "exp", "log1p", "erf", "sin", "cos", "clamp"})


def describe(source: str) -> tuple[str, ...]:
    """Words for parameters, products, bends, reach over fields, normalisation and joins; nothing is run.

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
