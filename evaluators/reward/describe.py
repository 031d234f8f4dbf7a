"""The diversity cell of a reward: what it reads and how it joins it, in short words."""

import ast
from collections.abc import Callable

from .logs.signals import Signals

MOST_LISTED = 4
"""Predictions named one by one; of more, the number that is read."""


def describe_for(signals: Signals) -> Callable[[str], tuple[str, ...]]:
    """`describe` for rewards over these signals."""
    names = [one.name for one in signals.predictions]

    def describe(source: str) -> tuple[str, ...]:
        """Words for the predictions read, how they are joined, and how they are bent; nothing is run.

        For example ("clic+watc", "product", "straight", "open").
        """
        tree = ast.parse(source)
        nodes = list(ast.walk(tree))
        read = {
            node.slice.value
            for node in nodes
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
            if isinstance(node.value, ast.Name) and node.value.id == "signals"
        }
        called = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        products = sum(
            isinstance(node, ast.BinOp)
            and isinstance(node.op, (ast.Mult, ast.Div))
            and _reads(node.left)
            and _reads(node.right)
            for node in nodes
        )
        known = [name for name in names if name in read]
        return (
            _named(known, names) or "nothing",
            ("sum", "product", "products")[min(products, 2)],
            "curved" if called & {"power", "sqrt", "square", "log", "log1p"} else "straight",
            "gated" if called & {"tanh", "exp", "where", "clip", "minimum", "maximum"} else "open",
        )

    return describe


def _named(read: list[str], names: list[str]) -> str:
    """Which are read, in at most 20 characters: their shortest beginnings that tell them apart."""
    if len(names) > MOST_LISTED:
        return f"{len(read)} signals"
    return "+".join(name[:4] for name in read)


def _reads(node: ast.expr) -> bool:
    """Whether a value may differ from row to row: it reads a signal or a local."""
    return any(isinstance(part, ast.Name) and part.id not in ("WEIGHTS", "numpy") for part in ast.walk(node))
