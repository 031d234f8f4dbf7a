"""Literals: the numbers in a program's text, which of them a tuner may move, and on what scale."""

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from .vocabulary import Layout

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d*)?(?:e[+-]?\d+)?(?![\w.])")
"""A number with its sign, in a text that `ast.unparse` wrote: there a binary minus has spaces around it."""
GUARD = 1e-6
"""Unnamed numbers below this keep divisions from zero; nothing else depends on them."""
SMALL = 0.01
"""Unnamed numbers below this keep their sign: rates and thresholds rather than coefficients."""
NEAR_ONE = 0.9
_FIXED = frozenset({0.0, 1.0})
_DIGITS = 4

Role = Literal["real", "whole", "flag"]


@dataclass(frozen=True, slots=True)
class Scale:
    """The coordinate in which a number is moved: a step of 1 there is much, one of 0.1 little.

    log: of the distance to zero, the sign stays. near one: of the distance to 1. signed: arsinh in units of
    `size`, which passes through zero and is a logarithm far from it.
    """

    form: Literal["log", "near one", "signed"]
    low: float
    high: float
    size: float = 1.0
    """For log the sign, for signed the unit."""

    @classmethod
    def of(cls, value: float, bounds: tuple[float, float]) -> "Scale":
        """The scale for a number that now has this value and must stay within the bounds."""
        low, high = bounds
        if value == 0:
            return cls("signed", low, high, SMALL)
        if (NEAR_ONE if high > 1 else 0.5) <= value < 1 and low >= 0:
            return cls("near one", low, min(high, 1.0))
        if low < 0 < high:
            return cls("signed", low, high, abs(value))
        return cls("log", low, high, math.copysign(1.0, value))

    def place(self, value: float) -> float:
        """The coordinate of a value."""
        match self.form:
            case "log":
                return math.log(max(value * self.size, 1e-300))
            case "near one":
                return -math.log(max(1.0 - value, 1e-12))
        return math.asinh(value / self.size)

    def value(self, place: float) -> float:
        """The value at a coordinate, within the bounds, with few digits."""
        place = min(max(place, -690.0), 690.0)
        match self.form:
            case "log":
                found = self.size * math.exp(place)
            case "near one":
                return self._within(round(1.0 - _short(math.exp(-place)), 12))
            case _:
                found = self.size * math.sinh(place)
        return self._within(_short(found))

    def _within(self, value: float) -> float:
        return min(max(value, self.low), self.high)


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True, slots=True)
class Place:
    """A number that may be moved: the `index`-th of its text, and where it stands in there.

    real: any value in the bounds. whole: an integer. flag: 0 or 1 and nothing between. Where there are
    `choices` it is one of them.
    """

    index: int
    start: int
    end: int
    name: str
    role: Role
    bounds: tuple[float, float]
    choices: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Numbers:
    """A program's normal text, all numbers in it in order, and the places of those that may be moved.

    `skeleton` is a digest of the text without its numbers: equal for programs that differ in nothing else.
    """

    text: str
    skeleton: str
    values: tuple[float, ...]
    places: tuple[Place, ...]

    def changed(self, values: Mapping[int, float]) -> str:
        """The text with other values, by index, at some of its places."""
        pieces, end = [], 0
        for place in self.places:
            if place.index in values:
                value = values[place.index]
                written = repr(float(value) if place.role == "real" else round(value))
                pieces += [self.text[end : place.start], written]
                end = place.end
        return "".join([*pieces, self.text[end:]])

    def words(self, values: Mapping[int, float]) -> str:
        """What `changed` changes, in words: "lr 0.01 -> 0.013; ..."."""
        return "; ".join(
            f"{place.name} {self.values[place.index]:.6g} -> {values[place.index]:.6g}"
            for place in self.places
            if values.get(place.index, self.values[place.index]) != self.values[place.index]
        )

    @property
    def fixed(self) -> tuple[float, ...]:
        """The values that no step of a tuner changes: all but those at real and whole places."""
        return self._others(self.values)

    def akin(self, values: Sequence[float]) -> bool:
        """Whether a program of this skeleton with these values differs at real and whole places alone."""
        return self._others(values) == self.fixed

    def _others(self, values: Sequence[float]) -> tuple[float, ...]:
        moved = {place.index for place in self.places if place.role != "flag"}
        return tuple(value for index, value in enumerate(values) if index not in moved)


def normal(source: str) -> str:
    """The program without comments and docstrings, in one layout.

    Unlike the canonical form it leaves operands where they stand: canonical order depends on the numbers, and
    would shuffle a tuner's coordinates.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Module(body=body) | ast.FunctionDef(body=body) if len(body) > 1 and _is_text(body[0]):
                del body[0]
    return ast.unparse(tree) + "\n"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def outline(text: str) -> tuple[str, tuple[float, ...]]:
    """(skeleton, values) of a normal text, without parsing it."""
    values = tuple(float(found) for found in NUMBER.findall(text))
    return sha256(NUMBER.sub("#", text).encode()).hexdigest()[:24], values


def numbers(source: str, layout: Layout) -> Numbers:
    """The numbers of a source that passed the static check."""
    text = normal(source)
    skeleton, values = outline(text)
    if not text.isascii():  # the parser counts columns in bytes
        return Numbers(text, skeleton, values, ())
    spans = {match.span(): index for index, match in enumerate(NUMBER.finditer(text))}
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    places = []
    for node, name, role, bounds in _movable(ast.parse(text), layout):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        span = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        if span in spans:
            choices = layout.choices_of(name) if role == "whole" else ()
            places.append(Place(spans[span], *span, name, role, bounds, choices))
    return Numbers(text, skeleton, values, tuple(sorted(places, key=lambda place: place.index)))


Found = tuple[ast.expr, str, Role, tuple[float, float]]
FREE = (-1e12, 1e12)


def literal(node: ast.AST | None) -> float | int | None:
    """The number that a node writes out, with its sign, or None."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float() | int() as value)):
            return None if isinstance(value, bool) else -value
        case ast.Constant(value=float() | int() as value):
            return None if isinstance(value, bool) else value
    return None


def _movable(tree: ast.Module, layout: Layout) -> Iterator[Found]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as table) if (
                name == layout.constants
            ):
                for key, value in zip(table.keys, table.values, strict=True):
                    if isinstance(key, ast.Constant) and (number := literal(value)) is not None:
                        yield _named(value, str(key.value), number, layout)
            case ast.Assign(value=ast.expr() as value) if layout.code:
                yield from _in_code(value)
            case ast.FunctionDef() if layout.code:
                for statement in node.body:
                    yield from _in_code(statement)


def _named(node: ast.expr, key: str, number: float | int, layout: Layout) -> Found:
    """A constant with a name: one of its choices where it has some, else 0 or 1 is a switch, and another
    integer a count."""
    if choices := layout.choices_of(key):
        return node, key, "whole", (min(choices), max(choices))
    bounds = layout.bounds_of(key, number)
    if isinstance(number, float):
        return node, key, "real", bounds
    if number in (0, 1):
        return node, key, "flag", (0.0, 1.0)
    return node, key, "whole", (max(bounds[0], 1.0), bounds[1]) if number > 0 else (bounds[0], -1.0)


def _in_code(node: ast.AST) -> Iterator[Found]:
    """The unnamed numbers that may be moved: no indices, counts of turns, axes, whole exponents, 0 or 1."""
    match node:
        case ast.Subscript():
            yield from _in_code(node.value)
            return
        case ast.For():
            for statement in node.body:
                yield from _in_code(statement)
            return
        case ast.BinOp(op=ast.Pow()):
            for operand in (node.left, node.right):
                number = literal(operand)
                if number is None:
                    yield from _in_code(operand)
                elif isinstance(number, float) and (operand is node.left or not number.is_integer()):
                    # another sign would change the brackets, or the number's part in the power
                    yield from _real(operand, number, Layout("").bounds_of("", number))
            return
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            for operand in (node.left, node.right):
                if isinstance(whole := literal(operand), int) and abs(whole) > 1:
                    bounds = (1.0, 1e9) if whole > 0 else (-1e9, -1.0)
                    yield operand, f"line {operand.lineno}:", "whole", bounds
    if isinstance(node, ast.expr) and isinstance(number := literal(node), float):
        yield from _real(node, number, FREE)
        return
    for child in ast.iter_child_nodes(node):
        yield from _in_code(child)


def _real(node: ast.expr, number: float, bounds: tuple[float, float]) -> Iterator[Found]:
    size = abs(number)
    if size < GUARD or size in _FIXED:
        return
    if size < SMALL:
        bounds = Layout("").bounds_of("", number)
    yield node, f"line {node.lineno}:", "real", bounds
