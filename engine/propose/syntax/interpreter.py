"""Interpreter: a function walked once, with abstract values in the place of real ones.

What is known of a value is up to the domain: its type (expr_types), shape (shapes) or range (intervals).
A domain says what each operation makes of the values of its operands; the walk is here, once for all.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from ....evaluators.language.vocabulary import Layout

Value = TypeVar("Value")
Holder = ast.AST | list[ast.expr]
"""The node, or the list of nodes, that an expression hangs on."""


def slot_name(mapping: str, key: str) -> str:
    """The name under which an item of a mapping, such as a state slot, is listed among values."""
    return f"{mapping}[{key}]"


def bindings(body: list[ast.stmt]) -> Iterator[tuple[ast.Assign, str, list[ast.stmt]]]:
    """Every assignment to one plain name, that name, and the statements it is among."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield node, name, body
            case ast.If() | ast.For():
                yield from bindings(node.body)
                yield from bindings(node.orelse)


class Interpreter(Generic[Value]):
    """Statements in their order, both branches of each `if`, a loop's body once; operands before operations.

    `unknown` is the value of which nothing is known, `turn` that of a loop's variable.
    """

    unknown: Value
    turn: Value

    def __init__(self, layout: Layout, scope: Mapping[str, Value]) -> None:
        self.layout = layout
        self.scope = dict(scope)
        """The values of names where the walk stands."""

    def walk(self, body: list[ast.stmt]) -> None:
        """Takes in the statements; `scope` is what holds after them."""
        for node in body:
            self.enter(node, body)
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    self.bind(name, self.visit(node.value, node, "value"))
                case ast.Assign():
                    self.visit(node.value, node, "value")
                    for part in ast.walk(node):
                        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                            self.bind(part.id, self.unknown)
                case ast.If():
                    self.branch(node)
                case ast.For(target=ast.Name(id=name)):
                    self.loop(name, node.body)
                case ast.Return(value=ast.Tuple(elts=items)):
                    for index, item in enumerate(items):
                        self.returned(item, items, index, "" if index else "result")
                case ast.Return(value=ast.expr() as value):
                    self.returned(value, node, "value", "result")

    def branch(self, node: ast.If) -> None:
        """Both ways of an `if`; known after it is what is bound on both."""
        self.visit(node.test, node, "test")
        before = dict(self.scope)
        self.walk(node.body)
        then, self.scope = self.scope, before
        self.walk(node.orelse)
        other, self.scope = self.scope, {}
        for name in (name for name in then if name in other):
            if then[name] == other[name]:
                self.scope[name] = other[name]
            elif (joined := self.either(then[name], other[name])) is not None:
                self.scope[name] = joined

    def returned(self, node: ast.expr, holder: Holder, place: str | int, role: str) -> None:
        """Takes in what is returned, a dict slot by slot."""
        if not isinstance(node, ast.Dict):
            return self.result(node, holder, place, role)
        for index, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
            self.slot(value, node.values, index, name)
        return None

    def evaluate(self, node: ast.expr) -> Value:
        """The value of an expression, after those inside it."""
        match node:
            case ast.Name(id=name):
                return self.scope.get(name, self.unknown)
            case ast.Constant(value=value):
                return self.constant(value)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                return self.item(name, key)
            case ast.Call():
                return self.called(node)
            case ast.Compare():
                return self.operation(
                    node, [self.visit(node.left, node, "left"), *self.each(node.comparators)]
                )
            case ast.BinOp() | ast.UnaryOp(op=ast.USub()) | ast.IfExp() | ast.Attribute():
                parts = [(name, part) for name, part in ast.iter_fields(node) if isinstance(part, ast.expr)]
                return self.operation(node, [self.visit(part, node, name) for name, part in parts])
        return self.other(node)

    def called(self, node: ast.Call) -> Value:
        """The value of a call; of a method the receiver counts as the first argument."""
        receiver = []
        if isinstance(node.func, ast.Attribute):
            owner = node.func.value
            value = self.visit(owner, node.func, "value")
            receiver = [] if isinstance(owner, ast.Name) and owner.id not in self.scope else [value]
        arguments = [*receiver, *self.each(node.args)]
        named = {str(each.arg): self.visit(each.value, each, "value") for each in node.keywords}
        return self.call(node, arguments, named)

    def each(self, nodes: list[ast.expr]) -> list[Value]:
        """The values of the expressions of a list."""
        return [self.visit(node, nodes, index) for index, node in enumerate(nodes)]

    def enter(self, node: ast.stmt, body: list[ast.stmt]) -> None:
        """Hears of each statement before it is walked."""

    def bind(self, name: str, value: Value) -> None:
        """Gives a name a value."""
        self.scope[name] = value

    def loop(self, name: str, body: list[ast.stmt]) -> None:
        """Walks the body of a loop over this variable."""
        self.bind(name, self.turn)
        self.walk(body)

    def visit(self, node: ast.expr, holder: Holder, place: str | int, role: str = "") -> Value:
        """The value of the expression at that place."""
        return self.evaluate(node)

    def result(self, node: ast.expr, holder: Holder, place: str | int, role: str) -> None:
        """Takes in a returned value: `role` is "result" for the first, "" for others."""
        self.visit(node, holder, place, role)

    def slot(self, node: ast.expr, holder: Holder, place: str | int, key: str) -> None:
        """Takes in what a returned dict holds for a key."""
        self.visit(node, holder, place, key)

    def either(self, one: Value, other: Value) -> Value | None:
        """What is known of a value that is one or the other; None: nothing, and its name is forgotten."""
        raise NotImplementedError

    def constant(self, value: object) -> Value:
        """The value of a literal."""
        raise NotImplementedError

    def item(self, name: str, key: str) -> Value:
        """The value of `name["key"]`."""
        raise NotImplementedError

    def operation(self, node: ast.expr, values: list[Value]) -> Value:
        """The value of an operation, a comparison, a negative, a choice or an attribute of these values."""
        raise NotImplementedError

    def call(self, node: ast.Call, arguments: list[Value], named: Mapping[str, Value]) -> Value:
        """The value of a call."""
        raise NotImplementedError

    def other(self, node: ast.expr) -> Value:
        """The value of an expression of any other form."""
        return self.unknown
