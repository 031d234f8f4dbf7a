"""The diversity cell of an optimizer: what it keeps and how it moves, in short words."""

import ast

MOST_SLOTS = 3


def describe(source: str) -> tuple[str, ...]:
    """Words for state, scaling, direction, schedule, use of the weights, and reach; nothing is run.

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
