"""What typed syntax edits draw from, as data: a kind fills in one Vocabulary and needs no code of its own.

Templates are expressions with typed holes `{0}`, `{1}`, ... in the language that `static.check` accepts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Type = Literal["tensor", "scalar", "int", "bool", "matrix", "cube"]
"""A tensor; a float; an int, usable wherever a float is; a mask, which only `torch.where` consumes. Where the
vocabulary has `sizes`: a tensor of the shape that is at hand, a batch of rows, a batch of matrices."""

HOLE = re.compile(r"\{(\d+)\}")
"""A typed hole of a template."""


def _check_holes(owner: str, templates: tuple[str, ...], count: int) -> None:
    holes = {int(number) for template in templates for number in HOLE.findall(template)}
    if holes != set(range(count)):
        raise ValueError(
            f"{owner} has {count} argument types, so its holes must be 0 to {count - 1}, got {holes}"
        )


@dataclass(frozen=True)
class Operator:
    """One operation: Operator("torch.sqrt({0})", ("tensor",), "tensor", "take the square root of")."""

    template: str
    arguments: tuple[Type, ...]
    result: Type
    words: str
    """What it does, so that "words + operand" reads as an instruction."""
    reduces: bool = False
    """Whether a tensor result has another shape than its arguments, one that broadcasts against them."""
    weight: float = 1.0
    """How often it is drawn, relative to the others of its result type."""

    def __post_init__(self) -> None:
        _check_holes(self.template, (self.template,), len(self.arguments))


@dataclass(frozen=True)
class Idiom:
    """An edit in several places at once: an expression `{0}` of type `arguments[0]` is replaced by `result`.

    The templates speak of `{0}`, of further holes filled from what is in scope, and of short names. A name in
    `constants` means a new constant of that start value; a name in `state` means a new state slot that starts
    as the template says; a name that `statements` assign means a new local; any other name means itself.
    `statements` are inserted before the statement that holds `{0}`; `kept` gives each slot its next value.

        Idiom("momentum", "smooth {0} by an exponential moving average", ("tensor",),
              constants={"beta": 0.9}, state={"mean": "torch.zeros_like(param)"},
              statements=("new = beta * mean + (1.0 - beta) * {0}",), kept={"mean": "new"}, result="new")
    """

    name: str
    words: str
    arguments: tuple[Type, ...]
    result: str
    constants: Mapping[str, float] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    """New state slots without a next value, where the layout's state is fixed, and their first values.

    These may speak of the constants, and of `last` and `middle`, the last length of `{0}` and the one after
    the batch.
    """
    place: Literal["anywhere", "result"] = "anywhere"
    """Whether `{0}` may be any expression of its type, or only the value that the function returns first."""
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_holes(self.name, (self.result, *self.statements, *self.kept.values()), len(self.arguments))
        if set(self.state) != set(self.kept):
            raise ValueError(f"{self.name}: every state slot needs a next value, got {set(self.kept)}")


@dataclass(frozen=True)
class Layout:
    """Where programs of a kind keep their named values. Empty names stand for what a kind does not have."""

    function: str
    """The function whose body is edited."""
    constants: str = ""
    """The module-level dict of named numbers."""
    constants_parameter: str = ""
    """The name by which the function reads them; that of the dict itself where it is read in place."""
    state_function: str = ""
    """The function that returns the dict of first state values."""
    state_parameter: str = ""
    """The name by which the function reads its state; the last item that it returns is the next one."""
    pinned: frozenset[str] = frozenset()
    """Constants that an edit may change and never remove."""
    fixed: bool = False
    """Whether state is read only, such as what is trained from outside: nothing returns its next value."""
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The range in which a constant of that name stays; (0, inf) or (-inf, 0) by its sign otherwise."""
    choices: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The values, in order, that a constant may have whose name holds this word; of several words the longest
    counts, and "" is in every name. Other constants are free within their bounds."""
    code: bool = True
    """Whether numbers in the code may be tuned as well as the named ones."""

    def choices_of(self, name: str) -> tuple[float, ...]:
        """The values that a constant of this name may have; empty where it is free."""
        words = [word for word in self.choices if word in name]
        return self.choices[max(words, key=len)] if words else ()

    def bounds_of(self, name: str, value: float) -> tuple[float, float]:
        """The range of a named constant: by its name, by its name without a final number, by its sign."""
        for one in (name, name.rstrip("0123456789")):
            if one in self.bounds:
                return self.bounds[one]
        return (0.0, 1e12) if value >= 0 else (-1e12, 0.0)


@dataclass(frozen=True)
class Sizes:
    """Lengths that stand for sizes, where tensors have many shapes: edits then tell shapes apart.

    Take large primes that no program speaks of, so that equal lengths mean equal sizes.
    """

    inputs: Mapping[str, tuple[int, ...]]
    """Leaves that are tensors, and their shapes; the first length of the first one is that of a batch."""
    lengths: Mapping[str, int]
    """The two parameters of the state function that are lengths, rows and columns of an item of the batch."""

    @property
    def batch(self) -> int:
        """The length that stands for the number of rows."""
        return next(iter(self.inputs.values()))[0]


@dataclass(frozen=True)
class Vocabulary:
    """The words of a kind: operators and idioms, typed leaves, literals worth trying, and the layout."""

    layout: Layout
    operators: tuple[Operator, ...]
    leaves: Mapping[str, Type]
    """Names that every edited function can read, such as its parameters; locals are typed by inference. An
    item of a parameter that is a mapping is written without quotes: "signals[click]"."""
    idioms: tuple[Idiom, ...] = ()
    literals: tuple[float, ...] = (0.0, 0.1, 0.5, 1.0, 2.0)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the largest value of a leaf, where they are known: {"step": (1, inf)}."""
    follows: Mapping[str, int] = field(default_factory=dict)
    """Leaves that the first returned value must go with (1) or against (-1), in part of it at least. Edits
    that lose such a lead are not proposed: {"param": 1, "grad": -1} for a method of descent."""
    sizes: Sizes | None = None
    """None: all tensors have one shape, or one that broadcasts to it."""
