"""Shapes: what every expression of a function is, found by walking it with lengths in the place of tensors.

For kinds whose tensors have many shapes (`Vocabulary.sizes`). Lengths are numbers that differ from each
other, so equal shapes mean equal sizes. What cannot be told is None, and no edit touches it.
"""

import ast
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....evaluators.language.vocabulary import Layout, Sizes
from .expr_types import Kind
from .interpreter import Holder, Interpreter, slot_name


@dataclass(frozen=True)
class Sized:
    """A tensor of this shape; `whole` where it holds integers."""

    shape: tuple[int, ...]
    whole: bool = False


Value = Any
"""Sized, int, float, a tuple of these, or None for what is not known."""
WRONG = (TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError, AttributeError, KeyError)
"""What fitting shapes together raises where they do not fit."""
PREFIX = "tensor "


def kind_of(value: Value) -> Kind | None:
    """The kind of a value: "tensor 100003x41989" for its shape; None for ints, which edits leave alone."""
    match value:
        case Sized(shape=shape, whole=False):
            return PREFIX + "x".join(map(str, shape))
        case float():
            return "scalar"
    return None


def shape_of(kind: Kind) -> tuple[int, ...] | None:
    """The shape in a kind that `kind_of` named."""
    if not kind.startswith(PREFIX):
        return None
    return tuple(int(length) for length in kind.removeprefix(PREFIX).split("x") if length)


def base(kind: Kind) -> Kind:
    """The type that operators know a kind by."""
    return "tensor" if shape_of(kind) is not None else kind


def meant(argument: Kind, kind: Kind) -> Kind:
    """The kind of an operator's argument where it works on that kind: tensors have all its shape."""
    return kind if argument == "tensor" and shape_of(kind) is not None else argument


def pattern(kind: Kind | None, batch: int) -> str | None:
    """ "matrix" or "cube" for a batch of rows or of matrices; else the kind itself."""
    shape = shape_of(kind) if kind else None
    if shape and shape[0] == batch:
        return {2: "matrix", 3: "cube"}.get(len(shape), kind)
    return kind


def written(length: int, sizes: Sizes, constants: Mapping[str, float], parameter: str) -> str | None:
    """How the state function writes a length, in its parameters or by a named constant; None: not at all."""
    fields, dim = sizes.lengths
    a, b = sizes.lengths[fields], sizes.lengths[dim]
    for key, value in constants.items():
        for times in (1, 2, 3):
            if value and times * value == length:
                return f"{parameter}[{key!r}]" if times == 1 else f"{times} * {parameter}[{key!r}]"
    pairs, pairs_text = a * (a - 1) // 2, f"{fields} * ({fields} - 1) // 2"
    terms = ((a * b, f"{fields} * {dim}"), (pairs, pairs_text), (a * a, f"{fields} * {fields}"),
             (b * b, f"{dim} * {dim}"), (a, fields), (b, dim), (1, "1"))  # fmt: skip
    parts = _sum(length, terms)
    return " + ".join(parts) if parts else None


MOST_TIMES = 4


def _sum(length: int, terms: Sequence[tuple[int, str]]) -> list[str] | None:
    """The terms that a length is the sum of, each a few times; None: there are none."""
    if not length or not terms:
        return None if length else []
    (size, text), *rest = terms
    for times in range(min(MOST_TIMES, length // size), -1, -1):
        parts = _sum(length - times * size, rest)
        if parts is not None:
            return [text] * times + parts
    return None


class Shapes(Interpreter[Value]):
    """The value of every expression of a function, by the id of its node. Slots are in `scope`."""

    unknown = turn = None

    def __init__(
        self,
        function: ast.FunctionDef,
        layout: Layout,
        scope: Mapping[str, Value],
        constants: Mapping[str, float],
    ) -> None:
        super().__init__(layout, scope)
        self.constants = constants
        self.values: dict[int, Value] = {}
        self.slots: dict[str, Value] = {}
        """What a returned dict holds."""
        self.walk(function.body)

    def kinds(self) -> dict[int, Kind | None]:
        """The kind of every expression, by the id of its node."""
        return {node: kind_of(value) for node, value in self.values.items()}

    def visit(self, node: ast.expr, holder: Holder, place: str | int, role: str = "") -> Value:
        try:
            found = self.evaluate(node)
        except WRONG:
            found = None
        self.values[id(node)] = found
        return found

    def slot(self, node: ast.expr, holder: Holder, place: str | int, key: str) -> None:
        self.slots[key] = self.visit(node, holder, place)

    def either(self, one: Value, other: Value) -> Value:
        return None

    def constant(self, value: object) -> Value:
        return value

    def item(self, name: str, key: str) -> Value:
        if name == self.layout.state_parameter:
            return self.scope.get(slot_name(name, key))
        return self.constants.get(key)

    def operation(self, node: ast.expr, values: list[Value]) -> Value:
        match node:
            case ast.BinOp(op=op):
                return _arithmetic(op, *values)
            case ast.UnaryOp():
                return -values[0] if isinstance(values[0], (int, float)) else values[0]
            case ast.Compare():
                return Sized(_broadcast(values).shape, True)
            case ast.IfExp():
                return values[1] if values[1] == values[2] else None
            case ast.Attribute(attr="shape"):
                return values[0].shape
            case ast.Attribute(attr="mT"):
                return Sized(_blank(values[0].shape).swapaxes(-1, -2).shape, values[0].whole)
        return None

    def call(self, node: ast.Call, arguments: list[Value], named: Mapping[str, Value]) -> Value:
        match node.func:
            case ast.Name(id=name):
                return _of_numbers(name, arguments)
            case ast.Attribute(value=ast.Name(id="math")):
                return 0.5
            case ast.Attribute(attr=name):
                return _of_tensors(name, arguments, named)
        return None

    def other(self, node: ast.expr) -> Value:
        match node:
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(self.each(items))
            case ast.Subscript():
                return _indexed(self.visit(node.value, node, "value"), node.slice, self._read)
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self._read(part)
        return None

    def _read(self, node: ast.expr) -> Value:
        return self.visit(node, node, "")


def _of_numbers(name: str, arguments: Sequence[Value]) -> Value:
    match name, arguments:
        case "len", [Sized(shape=shape)]:
            return shape[0]
        case "int", [value]:
            return int(value)
        case "float", [value]:
            return float(value)
        case "max" | "min", _:
            return (max if name == "max" else min)(*arguments)
    return None


def _blank(shape: Sequence[int]) -> np.ndarray:
    """An array of a shape whose items have no bytes: looking at it in other shapes costs nothing."""
    return np.empty(shape, dtype=[])


def _indexed(value: Value, index: ast.expr, read: Any) -> Value:
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    if isinstance(value, tuple):
        return value[read(parts[0])]
    places: list[slice | int | None] = []
    for part in parts:
        if isinstance(part, ast.Slice):
            places.append(slice(*(end and read(end) for end in (part.lower, part.upper, part.step))))
        elif isinstance(place := read(part), int) or (place is None and isinstance(part, ast.Constant)):
            places.append(place)
        else:
            return None
    return Sized(_blank(value.shape)[tuple(places)].shape, value.whole)


_OF_NUMBERS: Mapping[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda base, exponent: float(base) ** exponent,
}


def _arithmetic(op: ast.operator, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    if isinstance(left, Sized) or isinstance(right, Sized):
        return _product(left, right) if isinstance(op, ast.MatMult) else _broadcast([left, right])
    return _OF_NUMBERS[type(op)](left, right)


def _broadcast(values: Sequence[Value]) -> Value:
    tensors = [value for value in values if isinstance(value, Sized)]
    if not tensors or any(value is None for value in values):
        return None
    whole = all(each.whole for each in tensors) and not any(isinstance(value, float) for value in values)
    return Sized(np.broadcast_shapes(*(each.shape for each in tensors)), whole)


def _product(left: Value, right: Value) -> Value:
    one, other = left.shape, right.shape
    if one[-1] != other[-2 if len(other) > 1 else 0]:
        raise ValueError("the inner lengths differ")
    if len(other) == 1:
        return Sized(one[:-1])
    return Sized((*np.broadcast_shapes(one[:-2], other[:-2]), *one[-2:-1], other[-1]))


REDUCE = frozenset({"sum", "mean", "amax", "amin", "logsumexp"})
KEEP = frozenset({"softmax", "layer_norm", "clamp"})


def _of_tensors(name: str, arguments: Sequence[Value], named: Mapping[str, Value]) -> Value:
    """What a function of torch, or a method, yields; the receiver is the first argument."""
    first: Value = arguments[0] if arguments else None
    if name in ("randn", "rand", "zeros", "ones"):
        return Sized(tuple(first if isinstance(first, tuple) else arguments))
    if name in ("eye", "full"):
        return Sized(first if name == "full" else (first, first))
    if name in REDUCE:
        return _reduced(first, named.get("dim", [*arguments, None][1]), bool(named.get("keepdim", False)))
    if name in KEEP:
        return Sized(first.shape) if isinstance(first, Sized) else None
    if name in ("matmul", "bmm"):
        return _product(first, arguments[1])
    if name in ("cat", "stack"):
        return _joined(name, first, named.get("dim", [*arguments, 0][1]))
    if name in ("triu_indices", "tril_indices"):
        rows, columns, offset = [*arguments, 0][:3]
        shift = offset if name == "triu_indices" else offset + 1
        above = sum(max(0, min(columns, columns - row - shift)) for row in range(rows))
        return Sized((2, above if name == "triu_indices" else rows * columns - above), True)
    if name == "where":
        return Sized(_broadcast(arguments).shape, False)
    if name in RESHAPE:
        return Sized(RESHAPE[name](_blank(first.shape), *arguments[1:]).shape, first.whole)
    if name == "index_select":
        shape = list(first.shape)
        shape[arguments[1]] = arguments[2].shape[0]
        return Sized(tuple(shape))
    return _broadcast(arguments)


def _reduced(value: Value, dims: Value, keep: bool) -> Sized:
    rank = len(value.shape)
    chosen = range(rank) if dims is None else dims if isinstance(dims, tuple) else (dims,)
    gone = {each % rank for each in chosen}
    return Sized(tuple(1 if at in gone else n for at, n in enumerate(value.shape) if keep or at not in gone))


def _joined(name: str, parts: Sequence[Value], dim: int) -> Sized:
    shapes = [list(part.shape) for part in parts]
    length = len(shapes) if name == "stack" else sum(shape.pop(dim) for shape in shapes)
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError("shapes do not join")
    shapes[0].insert(dim % (len(shapes[0]) + 1), length)
    return Sized(tuple(shapes[0]))


def _flattened(blank: np.ndarray, start: int = 0, end: int = -1) -> np.ndarray:
    return blank.reshape(*blank.shape[:start], -1, *blank.shape[end % blank.ndim + 1 :])


RESHAPE: Mapping[str, Any] = {
    "reshape": np.ndarray.reshape,
    "flatten": _flattened,
    "unsqueeze": np.expand_dims,
    "squeeze": lambda blank, dim: blank.squeeze(dim) if blank.shape[dim] == 1 else blank,
    "transpose": np.swapaxes,
    "permute": np.ndarray.transpose,
}
