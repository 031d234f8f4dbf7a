"""Types of expressions in a candidate, from their form and the names around them, and the sites of edits."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ....evaluators.language.vocabulary import Layout
from .interpreter import Holder, Interpreter, slot_name

Kind = str
"""A type of the vocabulary; `reduced`: a tensor of another shape that broadcasts against full ones; or, where
the vocabulary has sizes, "tensor " and a shape, such as "tensor 100003x41989"."""
Kinds = Mapping[str, Kind]
"""Kinds by name; a state slot k of parameter `state` is named `state[k]`."""

_REDUCE = frozenset({"mean", "sum", "norm", "amax", "amin", "std", "var", "median", "prod", "max", "min"})
_RESHAPE = frozenset({"T", "mT", "reshape", "transpose", "unsqueeze", "squeeze", "matmul", "outer"})
_COUNT = frozenset({"dim", "ndim", "numel", "size", "len", "int"})
_ASK = frozenset({"isfinite", "isnan", "isinf", "logical_and", "logical_or", "logical_not"})


def spelled(name: str) -> str:
    """The text that reads what is listed under a name: `state['k']` for state[k], else the name."""
    mapping, bracket, key = name.partition("[")
    return f"{mapping}[{key[:-1]!r}]" if bracket else name


def joined(kinds: Iterable[Kind | None]) -> Kind | None:
    """The kind of arithmetic on operands of these kinds; None where it has none that an edit could use."""
    known = set(kinds)
    if None in known or not known:
        return None
    found = next((kind for kind in ("tensor", "reduced", "bool", "scalar") if kind in known), "int")
    return None if found == "bool" and len(known) > 1 else found


@dataclass(frozen=True, eq=False)
class Site:
    """A place that holds an expression, and what an edit must know of it."""

    node: ast.expr
    kind: Kind
    holder: Holder
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
        """Replace the expression in the tree. Types found before no longer hold."""
        if isinstance(self.holder, list):
            assert isinstance(self.place, int)
            self.holder[self.place] = node
        else:
            setattr(self.holder, str(self.place), node)


class Types(Interpreter[Kind | None]):
    """The sites of a function's body, in the order in which they are evaluated, innermost first.

    A scope holds no name of unknown kind. `known` holds the kinds of expressions by the ids of their nodes,
    where they were found already.
    """

    unknown = None
    turn = "int"

    def __init__(
        self,
        function: ast.FunctionDef,
        layout: Layout,
        leaves: Kinds,
        known: Mapping[int, Kind | None] | None = None,
    ) -> None:
        super().__init__(layout, leaves)
        self.known = known
        self.sites: list[Site] = []
        self._statement: ast.stmt = function
        self._block: list[ast.stmt] = []
        self._seen: Kinds = {}
        self.walk(function.body)

    def roles(self) -> dict[str, Kind]:
        """What the function returns, role to kind; `reduced` where any path returns that."""
        roles: dict[str, Kind] = {}
        for site in self.sites:
            if site.role:
                roles[site.role] = "reduced" if "reduced" in (site.kind, roles.get(site.role)) else site.kind
        return roles

    def enter(self, node: ast.stmt, body: list[ast.stmt]) -> None:
        self._statement, self._block = node, body
        self._seen = {name: kind for name, kind in self.scope.items() if kind is not None}

    def visit(self, node: ast.expr, holder: Holder, place: str | int, role: str = "") -> Kind | None:
        kind = self.evaluate(node)
        if self.known is not None:
            kind = self.known.get(id(node))
        plain_int = kind == "int" and not isinstance(node, ast.Name)
        if kind is not None and not plain_int:
            self.sites.append(Site(node, kind, holder, place, self._statement, self._block, self._seen, role))
        return kind

    def bind(self, name: str, value: Kind | None) -> None:
        if value is None:
            self.scope.pop(name, None)
        else:
            self.scope[name] = value

    def either(self, one: Kind | None, other: Kind | None) -> Kind | None:
        return "reduced" if {one, other} == {"tensor", "reduced"} else joined((one, other))

    def constant(self, value: object) -> Kind | None:
        return "scalar" if isinstance(value, float) else "int" if type(value) is int else None

    def item(self, name: str, key: str) -> Kind | None:
        return "scalar" if name == self.layout.constants_parameter else self.scope.get(slot_name(name, key))

    def operation(self, node: ast.expr, values: list[Kind | None]) -> Kind | None:
        match node:
            case ast.BinOp(op=op):
                kind = joined(values)
                if kind == "bool" and not isinstance(op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
                    return None
                return "scalar" if kind == "int" and isinstance(op, ast.Div) else kind
            case ast.UnaryOp():
                return values[0]
            case ast.Compare():
                # a plain truth value has no kind: only `if` consumes it
                return "bool" if {"tensor", "reduced"} & set(values) else None
            case ast.IfExp():
                return joined(values[1:])
            case ast.Attribute(attr=name) if values[0] in ("tensor", "reduced"):
                return "int" if name in _COUNT else "reduced" if name in _RESHAPE else None
        return None

    def call(
        self, node: ast.Call, arguments: list[Kind | None], named: Mapping[str, Kind | None]
    ) -> Kind | None:
        kinds = [*arguments, *named.values()]
        match node.func:
            case ast.Name(id=name):
                return "int" if name in _COUNT else joined(kinds)
            case ast.Attribute(value=ast.Name(id="math")):
                return "scalar"
            case ast.Attribute(attr=name):
                return _kind_of_named_call(name, [kind for kind in kinds if kind is not None])
        return None

    def other(self, node: ast.expr) -> Kind | None:
        if isinstance(node, ast.BoolOp):
            self.each(node.values)
        return self.visit(node.operand, node, "operand") if isinstance(node, ast.UnaryOp) else None


def _kind_of_named_call(name: str, kinds: list[Kind]) -> Kind:
    """The kind of a call of a module's function or of a method, whose receiver is the first argument."""
    if name in _COUNT:
        return "int"
    if name == "item":
        return "scalar"
    if name in _ASK:
        return "bool"
    if name == "where":
        chosen = joined(kinds[1:])
        return chosen if chosen in ("tensor", "reduced") else "tensor"
    kind = None if name in _REDUCE | _RESHAPE else joined(kinds)
    return kind if kind in ("tensor", "reduced", "bool") else "reduced"
