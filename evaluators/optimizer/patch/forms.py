"""What the text of an update rule says of its values: numbers, or tensors of which shape. Nothing is run."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from ..language import ACROSS, ELEMENTWISE

DECIDES = frozenset({"isfinite", "sign", "where"})
"""Functions that jump: where they stand, a last digit may decide."""
VIEWS = frozenset({"T", "expand_as", "mT", "reshape", "transpose", "unsqueeze"})
SIZES = frozenset({"len", "numel", "shape"})
DIMS = frozenset({"dim", "ndim"})
BUILT_IN = frozenset({"float()", "int()", "max()", "min()", "range()"})


class NotTranslated(Exception):
    """The rule holds something that has no translation; the message quotes it."""


class Form(Enum):
    """What the text says of a value."""

    NUMBER = "a Python number, or several"
    FULL = "a float tensor of the parameter's shape"
    ROW = "a float tensor whose shape broadcasts to the parameter's"
    MASK = "truth values whose shape broadcasts to the parameter's"
    OTHER = "a tensor of which nothing is said"


FLOAT = frozenset({Form.FULL, Form.ROW})
Call = tuple[str, list[ast.expr], dict[str, ast.expr]]
"""A function's name, its arguments by place, a method's own value among them, and those by name."""


@dataclass
class Forms:
    """What is known at a place of the rule, and what was met on the way there."""

    known: dict[str, Form]
    """By variable and by state slot (`state[name]`)."""
    makers: frozenset[str]
    """Helpers, written `name()`, that may make a tensor of numbers."""
    decides: bool = False
    """Whether tensors are compared, or rounded to a sign: then last digits matter."""

    def of(self, node: ast.expr) -> Form:
        """What the text says of an expression."""
        if (key := key_of(node)) is not None:
            return self.known.get(key, Form.OTHER if key.startswith("state") else Form.NUMBER)
        match node:
            case ast.Subscript(value=ast.Name(id="hp")) | ast.Attribute(value=ast.Name(id="math" | "torch")):
                return Form.NUMBER
            case ast.IfExp(test=test, body=body, orelse=orelse) if self.of(test) is Form.NUMBER:
                return joined({self.of(body), self.of(orelse)})
        if (call := call_of(node)) is not None:
            return self.form_of_call(node, call, [self.of(part) for part in (*call[1], *call[2].values())])
        forms = [self.of(part) for part in parts_of(node)]
        if all(form is Form.NUMBER for form in forms):
            return Form.NUMBER
        match node:
            case ast.Compare() | ast.BinOp(op=ast.BitAnd() | ast.BitOr()) | ast.UnaryOp(op=ast.Invert()):
                self.decides = True
                return Form.OTHER if Form.OTHER in forms else Form.MASK
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow()):
                return broadcast(forms)
            case ast.UnaryOp(op=ast.USub()):
                return forms[0]
            case ast.Subscript() | ast.BinOp(op=ast.MatMult()):
                return Form.OTHER
        raise NotTranslated(ast.unparse(node))

    def form_of_call(self, node: ast.expr, call: Call, forms: list[Form]) -> Form:
        name, arguments, keywords = call
        helper = name.endswith("()") and name not in BUILT_IN
        if name in SIZES | DIMS or all(form is Form.NUMBER for form in forms):
            if name in {"zeros"} | self.makers:
                return Form.OTHER
            return Form.NUMBER
        self.decides |= name in DECIDES or helper
        if name in VIEWS | {"matmul", "outer"} or helper:
            return Form.OTHER
        if name in ACROSS:
            whole = not keywords and len(arguments) == 1
            return Form.ROW if whole or of_rows(call) else Form.OTHER
        if name in ELEMENTWISE and Form.OTHER not in forms:
            return Form.MASK if name == "isfinite" else broadcast(forms[name == "where" :])
        if name in ELEMENTWISE:
            return Form.OTHER
        raise NotTranslated(ast.unparse(node))

    def is_number(self, node: ast.expr) -> bool:
        return self.of(node) is Form.NUMBER


def key_of(node: ast.AST) -> str | None:
    """The name by which a variable or a state slot is known; None for anything else."""
    match node:
        case ast.Name(id="state"):
            raise NotTranslated("the state as a whole")
        case ast.Name(id=name):
            return name
        case ast.Subscript(value=ast.Name(id="state"), slice=ast.Constant(value=str(slot))):
            return f"state[{slot}]"
    return None


def call_of(node: ast.AST) -> Call | None:
    """The call that a node is, however it is spelled: `torch.abs(x)`, `abs(x)`, `x.abs()`, `x.T`."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            known = name in {"abs", "len"}
            name, own = name if known else f"{name}()", list[ast.expr]()
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr=name)):
            own = []
        case ast.Call(func=ast.Attribute(value=ast.Name(id="math"), attr=name)):
            name, own = f"math.{name}", []
        case ast.Call(func=ast.Attribute(value=value, attr=name)) | ast.Attribute(value=value, attr=name):
            own = [value]
        case _:
            return None
    if isinstance(node, ast.Call):
        return name, [*own, *node.args], {each.arg or "": each.value for each in node.keywords}
    return name, own, {}


def parts_of(node: ast.expr) -> list[ast.expr]:
    """The values that an expression is made of; what picks from a tensor or a tuple is none."""
    if isinstance(node, ast.Subscript):
        return [node.value]
    return [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]


def of_rows(call: Call) -> bool:
    """Whether a call reduces the last of two dimensions and keeps it."""
    _, arguments, keywords = call
    texts = {name: ast.unparse(value) for name, value in keywords.items()}
    return len(arguments) == 1 and texts.get("dim") in {"-1", "1"} and texts.get("keepdim") == "True"


def slots_of(node: ast.Dict) -> dict[str, ast.expr]:
    """The values of a written-out state by slot."""
    pairs = zip(node.keys, node.values, strict=True)
    return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}


def broadcast(forms: Iterable[Form]) -> Form:
    """The form of what is computed number by number from such operands."""
    found = set(forms)
    return next((form for form in (Form.OTHER, Form.FULL, Form.ROW, Form.MASK) if form in found), Form.NUMBER)


def joined(forms: set[Form]) -> Form:
    """The form of what is one or the other. NotTranslated for a number or a tensor."""
    if len(forms) == 1:
        return next(iter(forms))
    if Form.NUMBER in forms:
        raise NotTranslated("a number or a tensor")
    return Form.ROW if forms == {Form.FULL, Form.ROW} else Form.OTHER


def merged(then: Mapping[str, Form], other: Mapping[str, Form]) -> dict[str, Form]:
    """What is known after one or the other."""
    both = {name: joined({then[name], other[name]}) for name in then.keys() & other.keys()}
    return {**other, **then, **both}
