"""The fast path: rewards that are plain formulas, evaluated in this process by an interpreter of our own.

Nothing of a candidate is ever compiled or executed here. A program is read into a tree of the node types
below and nothing else: reads of `signals["name"]` and `WEIGHTS["name"]`, numbers, locals, arithmetic,
comparisons, `&`, `|`, `~` of comparisons, and calls of the functions in `TABLE`, with exactly their
arguments. What is not in the list is not refused for the search, it goes into the sandbox (`caller`). The
result is the same there, bit for bit: the same numpy functions meet the same values in the same order.

Cost is bounded by the text: at most MOST_NODES operations on each row; Python's own integers, which could
grow without bound, take part in no power. Memory is bounded too: BLOCK rows are in work at a time, so that
all that a formula can hold is MOST_NODES arrays of that length.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .language import ARGUMENTS

Array = NDArray[np.float64]
Environment = dict[str, Any]
Code = Callable[[Environment], Any]

MOST_NODES = 600
MOST_BYTES = 16_000
MOST_DEPTH = 60
MOST_NUMBER = 2**31
BLOCK = 1 << 13
"""Rows in work at a time: short enough for the processor's cache, and for what sixty locals hold."""

TABLE: Mapping[str, Callable[..., Any]] = {name: getattr(np, name) for name in ARGUMENTS}
_SIGNALS = "signals"
_WEIGHTS = "WEIGHTS"


class NotPlain(ValueError):
    """The program is more than a formula; the message says what it holds."""


class Undefined(ArithmeticError):
    """The formula has no value that this interpreter gives: ask the sandbox, which has the last word."""


@dataclass(frozen=True, eq=False)
class Formula:
    """A reward as a list of steps. Call it with predictions (N,) float64 by name: (N,) float64, or Undefined.

    Infinities and NaN come out as they are: whoever takes them says what they mean.
    """

    steps: tuple[tuple[str, Code], ...]
    result: Code
    reads: frozenset[str]
    """The predictions that it reads."""

    def __call__(self, signals: Mapping[str, Array]) -> Array:
        count = len(next(iter(signals.values())))
        out = np.empty(count)
        for start in range(0, max(count, 1), BLOCK):
            rows = slice(start, start + BLOCK)
            out[rows] = self._block({name: signals[name][rows] for name in self.reads}, len(out[rows]))
        return out

    def _block(self, signals: Mapping[str, Array], count: int) -> Array:
        environment: Environment = {f"{_SIGNALS}.{name}": column for name, column in signals.items()}
        try:
            with np.errstate(all="ignore"):
                for name, code in self.steps:
                    environment[name] = code(environment)
                out = self.result(environment)
        except (ArithmeticError, TypeError, ValueError) as error:  # 1 / 0, masks added
            raise Undefined(f"{type(error).__name__}: {error}") from None
        if not isinstance(out, np.ndarray) or out.shape != (count,) or out.dtype != np.float64:
            form = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise Undefined(f"a reward is float64 of shape ({count},), got {form}")
        return out


@lru_cache(maxsize=256)
def formula(source: str, readable: frozenset[str]) -> Formula | None:
    """The program as a Formula over these predictions; None where it is more than one."""
    try:
        return parsed(source, readable)
    except NotPlain:
        return None


def parsed(source: str, readable: frozenset[str]) -> Formula:
    """The program as a Formula. NotPlain where it holds anything else."""
    if len(source) > MOST_BYTES:
        raise NotPlain(f"{len(source)} characters")
    try:
        tree = ast.parse(source)
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            raise NotPlain("too many nodes")
        return _Reader(readable).module(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotPlain(str(error)) from None


_JOINS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: lambda a, b: _power(a, b),
    ast.BitAnd: lambda a, b: _mask(a) & _mask(b),
    ast.BitOr: lambda a, b: _mask(a) | _mask(b),
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int):
        raise ValueError("a power of two integers")
    found = base**exponent
    if isinstance(found, complex):
        raise ValueError("a root of a negative number")
    return found


def _mask(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype != np.bool_:
        raise TypeError("masks are joined, not numbers")
    return value


class _Reader:
    """Reads one module. Everything that is not named here is NotPlain."""

    def __init__(self, readable: frozenset[str]) -> None:
        self.readable = readable
        self.weights: dict[str, float] = {}
        self.numpy = ""
        self.locals: set[str] = set()
        self.reads: set[str] = set()

    def module(self, tree: ast.Module) -> Formula:
        body = tree.body
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        function = None
        for node in body:
            match node:
                case ast.Import(names=[ast.alias(name="numpy", asname=alias)]) if not self.numpy:
                    self.numpy = alias or "numpy"
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as table) if name == _WEIGHTS:
                    self.weights = self.table(table)
                case ast.FunctionDef(name="reward") if function is None:
                    function = node
                case _:
                    raise NotPlain(type(node).__name__)
        if function is None or self.numpy in (_SIGNALS, _WEIGHTS, "reward"):
            raise NotPlain("no reward")
        return self.function(function)

    def table(self, node: ast.Dict) -> dict[str, float]:
        found = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                raise NotPlain("a key that is no text")
            found[key.value] = self.number(value)
        if len(found) != len(node.keys):
            raise NotPlain("a key twice")
        return found

    def number(self, node: ast.expr) -> float | int:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.number(operand)
            case ast.Constant(value=int() | float() as value) if type(value) in (int, float):
                if abs(value) < MOST_NUMBER or isinstance(value, float):
                    return value
        raise NotPlain("no number")

    def function(self, node: ast.FunctionDef) -> Formula:
        arguments = node.args
        if (
            [each.arg for each in arguments.args] != [_SIGNALS]
            or node.decorator_list
            or ast.unparse(arguments).partition(":")[0] != _SIGNALS
        ):
            raise NotPlain("another signature")
        body = node.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        steps = []
        for statement in body[:-1]:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    if name in (_SIGNALS, _WEIGHTS, self.numpy) or name.startswith("_"):
                        raise NotPlain(f"`{name}` bound anew")
                    steps.append((name, self.code(value, 0)))
                    self.locals.add(name)
                case _:
                    raise NotPlain(type(statement).__name__)
        match body[-1:]:
            case [ast.Return(value=ast.expr() as value)]:
                return Formula(tuple(steps), self.code(value, 0), frozenset(self.reads))
        raise NotPlain("no return at the end")

    def code(self, node: ast.expr, depth: int) -> Code:
        if depth > MOST_DEPTH:
            raise NotPlain("nested too deeply")
        match node:
            case ast.Constant():
                value = self.number(node)
                return lambda _: value
            case ast.Name(id=name) if name in self.locals:
                return lambda environment: environment[name]
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                return self.item(name, key)
            case (
                ast.BinOp(left=left, op=op, right=right)
                | ast.Compare(left=left, ops=[op], comparators=[right])
            ) if type(op) in _JOINS:
                one, other = self.code(left, depth + 1), self.code(right, depth + 1)
                join = _JOINS[type(op)]
                return lambda environment: join(one(environment), other(environment))
            case ast.UnaryOp(op=ast.USub() | ast.Invert() as op, operand=operand):
                inner = self.code(operand, depth + 1)
                if isinstance(op, ast.USub):
                    return lambda environment: -inner(environment)
                return lambda environment: ~_mask(inner(environment))
            case ast.Call():
                return self.call(node, depth)
        raise NotPlain(type(node).__name__)

    def item(self, name: str, key: str) -> Code:
        if name == _WEIGHTS and key in self.weights:
            value = self.weights[key]
            return lambda _: value
        if name == _SIGNALS and key in self.readable:
            self.reads.add(key)
            place = f"{_SIGNALS}.{key}"
            return lambda environment: environment[place]
        raise NotPlain(f"{name}[{key!r}]")

    def call(self, node: ast.Call, depth: int) -> Code:
        match node.func:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if self.numpy and owner == self.numpy:
                pass
            case ast.Name(id="abs" as name) if name not in self.locals:
                pass
            case _:
                raise NotPlain("a call of something else")
        if name not in TABLE or len(node.args) != ARGUMENTS[name] or node.keywords:
            raise NotPlain(f"a call of {name}")
        apply = TABLE[name] if isinstance(node.func, ast.Attribute) else abs
        codes = [self.code(argument, depth + 1) for argument in node.args]
        if len(codes) == 1:
            (only,) = codes
            return lambda environment: apply(only(environment))
        return lambda environment: apply(*[code(environment) for code in codes])
