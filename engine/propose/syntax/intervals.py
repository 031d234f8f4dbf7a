"""Follow: what the values of a program can be, found by walking its functions with abstract values."""

import ast
import math
from collections.abc import Mapping

from ....evaluators.language.vocabulary import Vocabulary
from .expr_types import slot_name
from .interval_values import (
    ANY,
    Value,
    either,
    is_safe,
    is_safe_power,
    negative,
    of_function,
    power,
    product,
    quotient,
    total,
)
from .sites import bindings
from .tree import Draft

_PASSES = 8
"""Most walks until what the state can be has settled; it widens with each, and two or three are usual."""
_SCALED = 1e4
"""Pinned constants, such as a learning rate, may be scaled by the evaluator up to this factor either way."""


class Follow:
    """What a draft's function returns, and which of its operations may give what is not a finite number."""

    def __init__(self, draft: Draft) -> None:
        self.layout = draft.layout
        self.leaves = {name: _leaf(name, draft.vocabulary) for name in draft.vocabulary.leaves}
        self.constants = {key: self._constant(key, value) for key, value in draft.constants().items()}
        self.slots: dict[str, Value] = {}
        self.unsafe: set[str] = set()
        self.read: set[str] = set()
        """Constants that are read."""
        self.result: Value | None = None
        self.scope: dict[str, Value] = {}
        if draft.maker and not draft.layout.fixed:  # what is trained may become anything
            self._run(draft.maker)
        for _ in range(_PASSES):
            before = dict(self.slots)
            self._run(draft.function)
            if before == self.slots:
                break

    def _constant(self, key: str, value: float) -> Value:
        if key in self.layout.pinned and value > 0:
            return Value((value / _SCALED, value * _SCALED))
        return Value((value, value))

    def _run(self, function: ast.FunctionDef) -> None:
        self.unsafe, self.result, self.scope = set(), None, dict(self.leaves)
        self._block(function.body)

    def _block(self, body: list[ast.stmt]) -> None:
        for node in body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    self.scope[name] = self._value(node.value)
                case ast.Assign():
                    self._value(node.value)
                    for part in ast.walk(node):
                        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                            self.scope[part.id] = Value()
                case ast.If():
                    self._branch(node)
                case ast.For():
                    self.scope.update((name, Value()) for _, name, _ in bindings(node.body))
                    self._block(node.body)
                case ast.Return(value=ast.expr() as value):
                    self._return(value)

    def _branch(self, node: ast.If) -> None:
        self._value(node.test)
        before = dict(self.scope)
        self._block(node.body)
        then, self.scope = self.scope, before
        self._block(node.orelse)
        self.scope = {name: either(then[name], self.scope[name]) for name in then if name in self.scope}

    def _return(self, value: ast.expr) -> None:
        items = value.elts if isinstance(value, ast.Tuple) else [value]
        for index, item in enumerate(items):
            if isinstance(item, ast.Dict):
                for key, part in zip(item.keys, item.values, strict=True):
                    if isinstance(key, ast.Constant):
                        self._settle(str(key.value), self._value(part))
            elif index == 0:
                found = self._value(item)
                self.result = either(self.result, found) if self.result else found

    def _settle(self, key: str, value: Value) -> None:
        """Widen what a slot can be: an end that moves goes to zero if that is enough, else to infinity."""
        old = self.slots.get(key)
        if old is None:
            self.slots[key] = value
            return
        both = either(old, value)
        low = old.range[0] if both.range[0] >= old.range[0] else 0.0 if both.range[0] >= 0 else -math.inf
        high = old.range[1] if both.range[1] <= old.range[1] else 0.0 if both.range[1] <= 0 else math.inf
        self.slots[key] = Value((low, high), both.leans)

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Name(id=name):
                return self.scope.get(name, Value())
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                if name == self.layout.constants_parameter:
                    self.read.add(key)
                    return self.constants.get(key, Value())
                leaf = self.scope.get(slot_name(name, key))
                return leaf or self.slots.get(key, Value())
            case ast.Call():
                return self._call(node)
            case ast.Constant(value=int() | float() as number):
                return Value((float(number), float(number)))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return negative(self._value(operand))
            case ast.IfExp():
                self._value(node.test)
                return either(self._value(node.body), self._value(node.orelse))
            case ast.Compare():
                for part in (node.left, *node.comparators):
                    self._value(part)
                return Value((0.0, 1.0))
            case ast.Attribute():
                return self._value(node.value)
        return Value()

    def _arithmetic(self, node: ast.BinOp) -> Value:
        if isinstance(node.op, ast.Mult):
            return self._multiplied(node)
        left, right = self._value(node.left), self._value(node.right)
        match node.op:
            case ast.Add():
                return total(left, right)
            case ast.Sub():
                return total(left, negative(right))
            case ast.Div():
                self._note(right.nonzero, node)
                return quotient(left, right)
            case ast.Pow():
                self._note(is_safe_power(left, right), node)
                return power(left, right)
        return Value()

    def _multiplied(self, node: ast.BinOp) -> Value:
        """A product; a factor that stands in it twice is a square, which is never negative."""
        factors: dict[str, ast.expr] = {}
        counts: dict[str, int] = {}
        for factor in _factors(node):
            text = _spelled(factor)
            factors.setdefault(text, factor)
            counts[text] = counts.get(text, 0) + 1
        found = Value((1.0, 1.0))
        for text, factor in factors.items():
            value = self._value(factor)
            if counts[text] > 1:
                found = product(found, of_function("square", [value]))
            if counts[text] % 2:
                found = product(found, value)
        return found

    def _call(self, node: ast.Call) -> Value:
        arguments = [self._value(each) for each in node.args]
        match node.func:
            case ast.Name(id=name):
                pass
            case ast.Attribute(attr=name, value=owner):
                if not isinstance(owner, ast.Name) or owner.id in self.scope:
                    arguments.insert(0, self._value(owner))
            case _:
                return Value()
        named = {each.arg: self._value(each.value) for each in node.keywords}
        self._note(is_safe(name, arguments), node)
        if name in ("clamp", "clip") and arguments:
            return _clamped([*arguments, Value(), Value()][:3], named)
        return of_function(name, arguments)

    def _note(self, safe: bool, node: ast.expr) -> None:
        if not safe:
            self.unsafe.add(ast.unparse(node))


def _leaf(name: str, vocabulary: Vocabulary) -> Value:
    leans = frozenset({(name, 1)}) if name in vocabulary.follows else frozenset[tuple[str, int]]()
    return Value(vocabulary.ranges.get(name, ANY), leans)


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


def _clamped(arguments: list[Value], named: Mapping[str | None, Value]) -> Value:
    """`clamp(x, low, high)` with either bound absent, by place or by name."""
    value = arguments[0]
    low = max(value.range[0], named.get("min", arguments[1]).range[0])
    high = min(value.range[1], named.get("max", arguments[2]).range[1])
    return Value((low, max(high, low)), value.leans)
