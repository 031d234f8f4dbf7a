"""What a program's values can be: ranges by interval arithmetic, and what they lean with or against.

Not exact and not meant to be: it keeps a proposer from square roots of what may be negative, from divisions
by what may be zero, and from results that lost or reversed the inputs that they must follow.
"""

import ast
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .interpreter import Holder, Interpreter, bindings, slot_name
from .tree import ProgramTree

Range = tuple[float, float]
Lean = tuple[str, int]
"""A leaf of the vocabulary, and 1 where a value grows with it or -1 where it falls."""
NOTHING: frozenset[Lean] = frozenset()
ANY: Range = (-math.inf, math.inf)
_PASSES = 8
"""Most walks until what the state can be has settled; it widens with each, and two or three are usual."""
_SCALED = 1e4
"""Pinned constants, such as a learning rate, may be scaled by the evaluator up to this factor either way."""


@dataclass(frozen=True)
class Value:
    """Everything known of an expression."""

    range: Range = ANY
    leans: frozenset[Lean] = NOTHING

    @property
    def sign(self) -> int:
        """1 or -1 where the value never is on the other side of zero, 0 where it may be on both."""
        return 1 if self.range[0] >= 0 else -1 if self.range[1] <= 0 else 0

    @property
    def nonzero(self) -> bool:
        return self.range[0] > 0 or self.range[1] < 0


def turned(leans: Iterable[Lean]) -> frozenset[Lean]:
    """The leanings of the negative."""
    return frozenset((name, -sign) for name, sign in leans)


def either(one: Value, other: Value) -> Value:
    """What is known of a value that is one or the other."""
    low, high = min(one.range[0], other.range[0]), max(one.range[1], other.range[1])
    return Value((low, high), one.leans | other.leans)


def negative(value: Value) -> Value:
    return Value((-value.range[1], -value.range[0]), turned(value.leans))


def total(one: Value, other: Value) -> Value:
    low, high = one.range[0] + other.range[0], one.range[1] + other.range[1]
    return Value((low, high), one.leans | other.leans)


def product(one: Value, other: Value) -> Value:
    ends = [0.0 if 0 in (a, b) else a * b for a in one.range for b in other.range]
    return Value((min(ends), max(ends)), _leans_of_product(one, other))


def _leans_of_product(one: Value, other: Value) -> frozenset[Lean]:
    """A factor of known sign keeps or turns the other's leanings; two that lean alike give what is even."""
    found: set[Lean] = set()
    for factor, by in ((one, other), (other, one)):
        if by.sign:
            found |= factor.leans if by.sign > 0 else turned(factor.leans)
        else:
            shared = {name for name, _ in by.leans}
            odd = frozenset(lean for lean in factor.leans if lean[0] not in shared)
            found |= odd | turned(odd)
    return frozenset(found)


def quotient(one: Value, other: Value) -> Value:
    if not other.nonzero:
        return Value(ANY, _leans_of_product(one, other))
    ends = [_ratio(a, b) for a in one.range for b in other.range]
    return Value((min(ends), max(ends)), _leans_of_product(one, other))


def _ratio(a: float, b: float) -> float:
    if math.isinf(a):
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


def power(base: Value, exponent: Value) -> Value:
    low, high = base.range
    if low >= 0 and high <= 1 and exponent.range[0] >= 1:
        return Value((0.0, high))
    if low >= 0 or exponent.range == (2.0, 2.0):
        return Value((0.0, math.inf))
    return Value()


_BOUNDED: Mapping[str, Range] = {
    "norm": (0.0, math.inf), "std": (0.0, math.inf), "var": (0.0, math.inf), "exp": (0.0, math.inf),
    "expm1": (-1.0, math.inf), "sigmoid": (0.0, 1.0), "zeros_like": (0.0, 0.0), "zeros": (0.0, 0.0),
    "ones_like": (1.0, 1.0), "sign": (-1.0, 1.0), "tanh": (-1.0, 1.0), "sin": (-1.0, 1.0), "cos": (-1.0, 1.0),
    "len": (0.0, math.inf), "numel": (0.0, math.inf), "dim": (0.0, math.inf), "erf": (-1.0, 1.0),
    "atan": (-math.pi / 2, math.pi / 2), "isfinite": (0.0, 1.0),
}  # fmt: skip
_ODD = frozenset({"sign", "tanh", "erf", "atan"})
_RISING = _ODD | {"exp", "expm1", "sigmoid"}
_SAME = frozenset({
    "mean", "sum", "amax", "amin", "median", "reshape", "transpose", "unsqueeze", "expand_as", "nan_to_num",
    "float",
})  # fmt: skip
_LARGEST_EXPONENT = 80.0


def of_function(name: str, arguments: list[Value]) -> Value:
    """What a function or method of that name yields; the receiver counts as the first argument."""
    first = arguments[0] if arguments else Value()
    low, high = first.range
    leans = first.leans
    match name, arguments:
        case ("sqrt", [_]):
            return Value((math.sqrt(max(low, 0.0)), math.inf))
        case ("square" | "abs", [_]):
            nearest = min(abs(low), abs(high)) if first.nonzero else 0.0
            return Value((nearest * nearest if name == "square" else nearest, math.inf))
        case ("pow" | "power", [base, exponent]):
            return power(base, exponent)
        case ("relu", [_]):
            return Value((max(low, 0.0), max(high, 0.0)), leans)
        case ("log1p", [_]):
            return Value((0.0, math.inf) if low >= 0 else ANY, leans)
        case ("neg", [_]):
            return negative(first)
        case ("reciprocal" | "rsqrt", [_]):
            return quotient(Value((1.0, 1.0)), first)
        case ("where" | "lerp", [_, _, _]):
            return either(*(arguments[1:] if name == "where" else arguments[:2]))
        case ("maximum" | "max" | "minimum" | "min", [_, second]):
            choose = max if name.startswith("max") else min
            ends = (choose(low, second.range[0]), choose(high, second.range[1]))
            return Value(ends, leans | second.leans)
    if name in _SAME and arguments:
        return first
    if name in _BOUNDED:
        bounds = _BOUNDED[name]
        if name in _ODD and first.sign:
            bounds = (0.0, bounds[1]) if first.sign > 0 else (bounds[0], 0.0)
        return Value(bounds, leans if name in _RISING else NOTHING)
    every = frozenset[Lean]().union(*(value.leans for value in arguments))
    return Value(ANY, every | turned(every))


def is_safe(name: str, arguments: list[Value]) -> bool:
    """Whether a function gives finite numbers on all that its arguments can be."""
    if not arguments:
        return True
    low, high = arguments[0].range
    match name:
        case "sqrt":
            return low >= 0
        case "log" | "rsqrt":
            return low > 0
        case "log1p":
            return low > -1
        case "reciprocal":
            return arguments[0].nonzero
        case "exp" | "expm1":
            return high <= _LARGEST_EXPONENT
        case "pow" | "power":
            return len(arguments) < 2 or is_safe_power(arguments[0], arguments[1])
    return True


def is_safe_power(base: Value, exponent: Value) -> bool:
    """Whether a power is a finite number: no root of a negative, no negative power of zero."""
    whole = exponent.range[0] == exponent.range[1] and exponent.range[0].is_integer()
    return (base.range[0] >= 0 or whole) and (base.range[0] > 0 or exponent.range[0] >= 0)


class Intervals(Interpreter[Value]):
    """What a program's function returns, and which of its operations may give what is not a finite number."""

    unknown = turn = Value()

    def __init__(self, tree: ProgramTree) -> None:
        ranges, follows = tree.vocabulary.ranges, tree.vocabulary.follows
        leaves = {
            name: Value(ranges.get(name, ANY), frozenset({(name, 1)} if name in follows else ()))
            for name in tree.vocabulary.leaves
        }
        super().__init__(tree.layout, leaves)
        self.constants = {key: self._constant(key, value) for key, value in tree.constants().items()}
        self.slots: dict[str, Value] = {}
        self.unsafe: set[str] = set()
        self.read: set[str] = set()
        """Constants that are read."""
        self.first: Value | None = None
        """What the function returns, the first item of a tuple."""
        if tree.maker and not tree.layout.fixed:  # what is trained may become anything
            self._run(tree.maker, leaves)
        for _ in range(_PASSES):
            before = dict(self.slots)
            self._run(tree.function, leaves)
            if before == self.slots:
                break

    def _constant(self, key: str, value: float) -> Value:
        scale = _SCALED if key in self.layout.pinned and value > 0 else 1.0
        return Value((value / scale, value * scale))

    def _run(self, function: ast.FunctionDef, leaves: Mapping[str, Value]) -> None:
        self.unsafe, self.first, self.scope = set(), None, dict(leaves)
        self.walk(function.body)

    def loop(self, name: str, body: list[ast.stmt]) -> None:
        # what a later turn finds is what an earlier one left
        self.scope.update((each, Value()) for _, each, _ in bindings(body))
        self.walk(body)

    def result(self, node: ast.expr, holder: Holder, place: str | int, role: str) -> None:
        if role:
            found = self.visit(node, holder, place)
            self.first = either(self.first, found) if self.first else found

    def slot(self, node: ast.expr, holder: Holder, place: str | int, key: str) -> None:
        """Widen what a slot can be: an end that moves goes to zero if that is enough, else to infinity."""
        value, old = self.visit(node, holder, place), self.slots.get(key)
        if old is None:
            self.slots[key] = value
            return
        both = either(old, value)
        low = old.range[0] if both.range[0] >= old.range[0] else 0.0 if both.range[0] >= 0 else -math.inf
        high = old.range[1] if both.range[1] <= old.range[1] else 0.0 if both.range[1] <= 0 else math.inf
        self.slots[key] = Value((low, high), both.leans)

    def either(self, one: Value, other: Value) -> Value:
        return either(one, other)

    def constant(self, value: object) -> Value:
        return Value((float(value), float(value))) if isinstance(value, (int, float)) else Value()

    def item(self, name: str, key: str) -> Value:
        if name == self.layout.constants_parameter:
            self.read.add(key)
            return self.constants.get(key, Value())
        return self.scope.get(slot_name(name, key)) or self.slots.get(key, Value())

    def evaluate(self, node: ast.expr) -> Value:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return self._multiplied(node)
        return super().evaluate(node)

    def operation(self, node: ast.expr, values: list[Value]) -> Value:
        match node:
            case ast.BinOp(op=ast.Add()):
                return total(*values)
            case ast.BinOp(op=ast.Sub()):
                return total(values[0], negative(values[1]))
            case ast.BinOp(op=ast.Div()):
                self._note(values[1].nonzero, node)
                return quotient(*values)
            case ast.BinOp(op=ast.Pow()):
                self._note(is_safe_power(*values), node)
                return power(*values)
            case ast.UnaryOp():
                return negative(values[0])
            case ast.Compare():
                return Value((0.0, 1.0))
            case ast.IfExp():
                return either(*values[1:])
            case ast.Attribute():
                return values[0]
        return Value()

    def call(self, node: ast.Call, arguments: list[Value], named: Mapping[str, Value]) -> Value:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        self._note(is_safe(name, arguments), node)
        if name in ("clamp", "clip") and arguments:
            return _clamped([*arguments, Value(), Value()][:3], named)
        return of_function(name, arguments)

    def _multiplied(self, node: ast.BinOp) -> Value:
        """A product; a factor that stands in it twice is a square, which is never negative."""
        equal: dict[str, list[ast.expr]] = {}
        for factor in _factors(node):
            equal.setdefault(_spelled(factor), []).append(factor)
        found = Value((1.0, 1.0))
        for factor, *more in equal.values():
            value = self.visit(factor, node, "")
            if more:
                found = product(found, of_function("square", [value]))
            if len(more) % 2 == 0:
                found = product(found, value)
        return found

    def _note(self, safe: bool, node: ast.expr) -> None:
        if not safe:
            self.unsafe.add(ast.unparse(node))


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _spelled(node: ast.expr) -> str:
    """The text of an expression, quickly for the common ones."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
            return f"{name}[{key!r}]"
    return ast.unparse(node)


def _clamped(arguments: list[Value], named: Mapping[str, Value]) -> Value:
    """`clamp(x, low, high)` with either bound absent, by place or by name."""
    value = arguments[0]
    low = max(value.range[0], named.get("min", arguments[1]).range[0])
    high = min(value.range[1], named.get("max", arguments[2]).range[1])
    return Value((low, max(high, low)), value.leans)
