"""Kinds of values in a candidate: what an expression yields, found from its form and the names around it."""

import ast
from collections.abc import Iterable, Mapping

Kind = str
"""A type of the vocabulary; `reduced`: a tensor of another shape that broadcasts against full ones; or, where
the vocabulary has sizes, "tensor " and a shape, such as "tensor 100003x41989"."""
Kinds = Mapping[str, Kind]
"""Kinds by name; a state slot k of parameter `state` is named `state[k]`."""

_REDUCE = frozenset({"mean", "sum", "norm", "amax", "amin", "std", "var", "median", "prod", "max", "min"})
_RESHAPE = frozenset({"T", "mT", "reshape", "transpose", "unsqueeze", "squeeze", "matmul", "outer"})
_COUNT = frozenset({"dim", "ndim", "numel", "size", "len", "int"})
_ASK = frozenset({"isfinite", "isnan", "isinf", "logical_and", "logical_or", "logical_not"})


def slot_name(mapping: str, key: str) -> str:
    """The name under which an item of a mapping, such as a state slot, is listed among kinds."""
    return f"{mapping}[{key}]"


def spelled(name: str) -> str:
    """The text that reads what is listed under a name: `state['k']` for state[k], else the name."""
    mapping, bracket, key = name.partition("[")
    return f"{mapping}[{key[:-1]!r}]" if bracket else name


def joined(kinds: Iterable[Kind | None]) -> Kind | None:
    """The kind of arithmetic on operands of these kinds; None where it has none that an edit could use."""
    known = set(kinds)
    if None in known or not known:
        return None
    if "tensor" in known:
        return "tensor"
    if "reduced" in known:
        return "reduced"
    if "bool" in known:
        return "bool" if known == {"bool"} else None
    return "scalar" if "scalar" in known else "int"


def kind_of_arithmetic(node: ast.BinOp, left: Kind | None, right: Kind | None) -> Kind | None:
    """The kind of a binary operation."""
    kind = joined((left, right))
    if kind == "bool":
        return "bool" if isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)) else None
    return "scalar" if kind == "int" and isinstance(node.op, ast.Div) else kind


def kind_of_comparison(kinds: Iterable[Kind | None]) -> Kind | None:
    """A mask where tensors are compared; None for a plain truth value, which only `if` consumes."""
    return "bool" if {"tensor", "reduced"} & set(kinds) else None


def kind_of_call(node: ast.Call, receiver: Kind | None, arguments: list[Kind | None]) -> Kind | None:
    """The kind of a call. `receiver` is the kind of the value whose method it is, None for a function."""
    match node.func:
        case ast.Name(id=name):
            return "int" if name in _COUNT else joined(arguments)
        case ast.Attribute(value=ast.Name(id="math")):
            return "scalar"
        case ast.Attribute(attr=name):
            return _kind_of_named_call(name, [receiver, *arguments] if receiver else arguments)
    return None


def _kind_of_named_call(name: str, kinds: list[Kind | None]) -> Kind | None:
    values: list[Kind] = [kind for kind in kinds if kind is not None]
    if name in _COUNT:
        return "int"
    if name == "item":
        return "scalar"
    if name in _ASK:
        return "bool"
    if name == "where":
        chosen = joined(values[1:])
        return chosen if chosen in ("tensor", "reduced") else "tensor"
    if name in {"maximum", "minimum", "expand_as"} or not (name in _REDUCE or name in _RESHAPE):
        kind = joined(values)
        return kind if kind in ("tensor", "reduced", "bool") else "reduced"
    return "reduced"


def kind_of_attribute(name: str, value: Kind | None) -> Kind | None:
    """The kind of an attribute that is not called."""
    if value not in ("tensor", "reduced"):
        return None
    return "int" if name in _COUNT else "reduced" if name in _RESHAPE else None
