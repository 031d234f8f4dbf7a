"""Survey: the places in a function that an edit may change, the kinds of values there, and their scopes."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ....evaluators.language.vocabulary import Layout
from .expr_types import (
    Kind,
    Kinds,
    joined,
    kind_of_arithmetic,
    kind_of_attribute,
    kind_of_call,
    kind_of_comparison,
    slot_name,
)


@dataclass(frozen=True, eq=False)
class Site:
    """A place that holds an expression."""

    node: ast.expr
    kind: Kind
    holder: ast.AST | list[ast.expr]
    """The node, or the list of nodes, that the expression hangs on."""
    place: str | int
    """The attribute of the node, or the index in the list."""
    statement: ast.stmt
    block: list[ast.stmt]
    """The statements among which `statement` is."""
    scope: Kinds
    """What can be read there."""
    role: str = ""
    """What a returned value is: "result" for the first, the name of its slot for next state."""

    @property
    def text(self) -> str:
        return ast.unparse(self.node)

    def put(self, node: ast.expr) -> None:
        """Replace the expression in the tree. Surveys made before no longer hold."""
        if isinstance(self.holder, list):
            assert isinstance(self.place, int)
            self.holder[self.place] = node
        else:
            setattr(self.holder, str(self.place), node)


class Survey:
    """The sites of a function's body, in the order in which they are evaluated, innermost first."""

    def __init__(
        self,
        function: ast.FunctionDef,
        layout: Layout,
        leaves: Kinds,
        known: Mapping[int, Kind | None] | None = None,
    ) -> None:
        """`known` holds the kinds of expressions by the ids of their nodes, where they were found already."""
        self.layout = layout
        self.known = known
        self.sites: list[Site] = []
        self._scope: Kinds = {}
        self._statement: ast.stmt = function
        self._block: list[ast.stmt] = []
        self._statements(function.body, dict(leaves))

    def roles(self) -> dict[str, Kind]:
        """What the function returns, role to kind; `reduced` where any path returns that."""
        roles: dict[str, Kind] = {}
        for site in self.sites:
            if site.role:
                roles[site.role] = "reduced" if "reduced" in (site.kind, roles.get(site.role)) else site.kind
        return roles

    def _statements(self, body: list[ast.stmt], scope: dict[str, Kind]) -> None:
        for node in body:
            self._statement, self._block, self._scope = node, body, dict(scope)
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    kind = self._visit(node.value, node, "value")
                    _bind(scope, name, kind)
                case ast.Assign():
                    self._visit(node.value, node, "value")
                    _forget(scope, node)
                case ast.If():
                    self._visit(node.test, node, "test")
                    then, other = dict(scope), dict(scope)
                    self._statements(node.body, then)
                    self._statements(node.orelse, other)
                    _merge(scope, then, other)
                case ast.For(target=ast.Name(id=name)):
                    scope[name] = "int"
                    self._statements(node.body, scope)
                case ast.Return():
                    self._returned(node)

    def _returned(self, node: ast.Return) -> None:
        match node.value:
            case ast.Tuple(elts=items):
                for index, item in enumerate(items):
                    self._item(item, items, index, "result" if index == 0 else "")
            case ast.expr() as value:
                self._item(value, node, "value", "result")

    def _item(self, item: ast.expr, holder: ast.AST | list[ast.expr], place: str | int, role: str) -> None:
        if not isinstance(item, ast.Dict):
            self._visit(item, holder, place, role)
            return
        for index, (key, value) in enumerate(zip(item.keys, item.values, strict=True)):
            name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
            self._visit(value, item.values, index, name)

    def _visit(
        self, node: ast.expr, holder: ast.AST | list[ast.expr], place: str | int, role: str = ""
    ) -> Kind | None:
        """The kind of an expression, after noting it and what is inside it as sites."""
        kind = self._kind(node)
        if self.known is not None:
            kind = self.known.get(id(node))
        plain_int = kind == "int" and not isinstance(node, ast.Name)
        if kind is not None and not plain_int:
            self.sites.append(
                Site(node, kind, holder, place, self._statement, self._block, self._scope, role)
            )
        return kind

    def _kind(self, node: ast.expr) -> Kind | None:
        match node:
            case ast.Name(id=name):
                return self._scope.get(name)
            case ast.BinOp():
                left = self._visit(node.left, node, "left")
                return kind_of_arithmetic(node, left, self._visit(node.right, node, "right"))
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                if name == self.layout.constants_parameter:
                    return "scalar"
                return self._scope.get(slot_name(name, key))
            case ast.Call():
                return self._call(node)
            case ast.Constant(value=value):
                return "scalar" if isinstance(value, float) else "int" if type(value) is int else None
            case ast.UnaryOp():
                return self._visit(node.operand, node, "operand")
            case ast.Compare():
                kinds = [self._visit(node.left, node, "left"), *self._list(node.comparators)]
                return kind_of_comparison(kinds)
            case ast.IfExp():
                self._visit(node.test, node, "test")
                return joined(
                    (self._visit(node.body, node, "body"), self._visit(node.orelse, node, "orelse"))
                )
            case ast.Attribute():
                return kind_of_attribute(node.attr, self._visit(node.value, node, "value"))
            case ast.BoolOp():
                self._list(node.values)
        return None

    def _list(self, nodes: list[ast.expr]) -> list[Kind | None]:
        return [self._visit(node, nodes, index) for index, node in enumerate(nodes)]

    def _call(self, node: ast.Call) -> Kind | None:
        receiver = None
        if isinstance(node.func, ast.Attribute):
            receiver = self._visit(node.func.value, node.func, "value")
        arguments = self._list(node.args)
        arguments += [self._visit(keyword.value, keyword, "value") for keyword in node.keywords]
        return kind_of_call(node, receiver, arguments)


def _bind(scope: dict[str, Kind], name: str, kind: Kind | None) -> None:
    if kind is None:
        scope.pop(name, None)
    else:
        scope[name] = kind


def _forget(scope: dict[str, Kind], node: ast.Assign) -> None:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            scope.pop(part.id, None)


def _merge(scope: dict[str, Kind], then: dict[str, Kind], other: dict[str, Kind]) -> None:
    """What is known after a branch: names known on both ways, of the kind that both can stand for."""
    scope.clear()
    for name in (name for name in then if name in other):
        _bind(scope, name, then[name] if then[name] == other[name] else _either(then[name], other[name]))


def _either(one: Kind, other: Kind) -> Kind | None:
    return "reduced" if {one, other} == {"tensor", "reduced"} else joined((one, other))


def bindings(body: list[ast.stmt]) -> Iterator[tuple[ast.Assign, str, list[ast.stmt]]]:
    """Every assignment to one plain name, that name, and the statements it is among."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield node, name, body
            case ast.If() | ast.For():
                yield from bindings(node.body)
                yield from bindings(node.orelse)
