"""What a reward may be written in: the rules that its text must obey, for the signals at hand."""

from ..kinds.folder import named
from ..language.rules import Rules
from .logs.signals import Signals

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
