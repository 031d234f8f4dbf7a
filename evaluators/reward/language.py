"""What a reward may be written in, for the signals at hand, and what makes its text a different program."""

import ast
from collections.abc import Callable

from ..kinds.folder import named
from ..language.rules import Rules
from .logs.signals import Signals

MOST_LISTED = 4
"""Predictions named one by one in the diversity cell; of more, the number that is read."""
ARGUMENTS = {
    "abs": 1, "arctan": 1, "clip": 3, "exp": 1, "expm1": 1, "log": 1, "log1p": 1, "logical_and": 2,
    "logical_not": 1, "logical_or": 2, "maximum": 2, "minimum": 2, "power": 2, "sign": 1, "sqrt": 1,
    "square": 1, "tanh": 1, "where": 3,
}  # fmt: skip
"""Functions of numpy that treat each number by itself, and how many arguments they take.

Exactly so many: a further one by position would be `out`, which is written to.
"""
REASONS = {
    "outcome": "it is an outcome, known only after the impression, so no ranking could use it",
    "context": "it describes item or user and is kept for audits; rewards read predictions alone",
}


def rules_for(signals: Signals) -> Rules:
    """The rules of rewards over these signals: predictions are readable, by name, and nothing else is."""
    return Rules(
        functions={"reward": ("signals",)},
        constants=("WEIGHTS",),
        modules={"numpy": frozenset(ARGUMENTS)},
        methods=frozenset(),
        builtins=frozenset({"abs", "float"}),
        keys={"signals": {one.name: REASONS.get(one.role, "") for one in signals.columns}},
        arguments={f"numpy.{name}": count for name, count in ARGUMENTS.items()},
        max_nodes=400,
    )


ALLOWED = {
    **{
        f"from `numpy`, with {words}": named(name for name, count in ARGUMENTS.items() if count == arguments)
        for arguments, words in ((1, "one argument"), (3, "three arguments"), (2, "two arguments"))
    },
    "built in": named(("abs", "float")),
}
"""The allowed names for a reader, by the place that they may be used in."""


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
