"""The language inside a candidate's functions: a small, pure part of Python, told node by node."""

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from .repairs import REPAIRS
from .rules import Rules

Report = Callable[[ast.AST | None, str], None]
"""Where a problem goes: the node that has it (None: the module) and the sentence."""


@dataclass(frozen=True)
class Signature:
    """How a helper may be called: its parameters, and how many of them must be given."""

    parameters: tuple[str, ...]
    needed: int


@dataclass(frozen=True)
class Scope:
    """What a function sees of its module."""

    rules: Rules
    modules: Mapping[str, str]
    """Names bound by imports, and the dotted module that each means."""
    helpers: Mapping[str, Signature]
    constants: frozenset[str]
    entries: frozenset[str]
    """Functions that the evaluator calls, and no other."""


def signature_of(function: ast.FunctionDef) -> Signature:
    """The signature of a helper, read from its plain parameters."""
    parameters = tuple(argument.arg for argument in function.args.args)
    return Signature(parameters, len(parameters) - len(function.args.defaults))


def is_text(node: ast.expr) -> bool:
    """Whether a node is a literal text."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_number(node: ast.expr) -> bool:
    """Whether a node is a finite literal number of moderate size, with or without a sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        node = node.operand
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return False
    if isinstance(node.value, int):
        return abs(node.value) <= MOST_INTEGER
    return isinstance(node.value, float) and math.isfinite(node.value)


def nearest(name: str, allowed: frozenset[str]) -> str:
    """A clause that names the allowed words closest to `name`, or a few of them where none is close."""
    close = get_close_matches(name, sorted(allowed), n=4, cutoff=0.5)
    if close:
        return f"nearest allowed: {', '.join(close)}"
    few = ", ".join(sorted(allowed)[:12])
    return f"allowed: {few}{', ...' if len(allowed) > 12 else ''}" if allowed else "nothing is allowed there"


MOST_INTEGER = 2**31 - 1

_PLAIN = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple, ast.List, ast.Slice,
)  # fmt: skip
_ANNOTATION = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.Load,
)  # fmt: skip
Bound = set[str]


class Body:
    """The check of one function: which names are bound where, and whether each node is in the language."""

    def __init__(self, scope: Scope, report: Report) -> None:
        self.scope = scope
        self.rules = scope.rules
        self.report = report
        self.assigned: Bound = set()

    def check(self, function: ast.FunctionDef) -> None:
        """Report every problem of the function."""
        arguments = function.args
        self.decorators(function)
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs:
            self.report(
                function, f"`{function.name}` must have plain parameters only, without `*`, `**` and `/`"
            )
        if getattr(function, "type_params", None):
            self.report(function, "type parameters are not allowed; delete them")
        for default in arguments.defaults:
            if not is_number(default):
                self.report(
                    default, "a default argument must be a literal number; pass other values explicitly"
                )
        bound: Bound = set()
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self.bind(argument, argument.arg, bound)
            self.parameter(argument)
        self.annotation(function.returns)
        self.assigned = {
            n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        body = function.body
        if isinstance(body[0], ast.Expr) and is_text(body[0].value):
            body = body[1:]
        if not self.block(body, bound, self.rules.max_loop):
            self.may_end(function)

    def decorators(self, function: ast.FunctionDef) -> None:
        """Report decorators."""
        if function.decorator_list:
            self.report(function, "decorators are not allowed; delete them")

    def parameter(self, node: ast.arg) -> None:
        """Report an annotation that is no plain type."""
        self.annotation(node.annotation)

    def may_end(self, function: ast.FunctionDef) -> None:
        """Report a path without `return`."""
        self.report(function, f"`{function.name}` may end without `return`; return a value on every path")

    def bind(self, node: ast.AST, name: str, bound: Bound) -> None:
        scope = self.scope
        if (name.startswith("_") and name != "_") or not name.isascii():
            self.report(
                node, f"name `{ascii(name)[1:-1]}` must be plain ASCII and not start with an underscore"
            )
        elif (
            name in scope.modules or name in scope.helpers or name in scope.constants
            or name in scope.entries or name in self.rules.builtins
        ):  # fmt: skip
            self.report(node, f"`{name}` already names something else in this module; choose another name")
        bound.add(name)

    def annotation(self, node: ast.expr | None) -> None:
        if node is not None and not all(isinstance(part, _ANNOTATION) for part in ast.walk(node)):
            self.report(node, "an annotation must be a plain type; delete it")

    def block(self, body: list[ast.stmt], bound: Bound, turns: int) -> bool:
        """Whether every path through the statements returns; `bound` grows by the names sure to be bound."""
        returns = False
        for statement in body:
            returns = self.statement(statement, bound, turns) or returns
        return returns

    def statement(self, node: ast.stmt, bound: Bound, turns: int) -> bool:
        """Whether the statement returns on every path."""
        match node:
            case ast.Return():
                if node.value is None:
                    self.report(node, "a bare `return` is not allowed; return a value")
                else:
                    self.expression(node.value, bound)
                return True
            case ast.Assign():
                self.expression(node.value, bound)
                for target in node.targets:
                    self.target(target, bound)
            case ast.AnnAssign():
                self.annotation(node.annotation)
                if node.value is None:
                    self.report(node, "a declaration without a value does nothing; delete it")
                else:
                    self.expression(node.value, bound)
                self.target(node.target, bound)
            case ast.If():
                self.expression(node.test, bound)
                then, other = set(bound), set(bound)
                then_returns = self.block(node.body, then, turns)
                other_returns = self.block(node.orelse, other, turns)
                bound |= other if then_returns else then if other_returns else then & other
                return then_returns and other_returns
            case ast.For():
                self.loop(node, bound, turns)
            case ast.Pass() | ast.Break() | ast.Continue():
                pass
            case ast.Expr():
                self.report(node, "this line computes a value and drops it; assign it or delete the line")
                self.expression(node.value, bound)
            case _:
                self.refuse(node)
        return False

    def loop(self, node: ast.For, bound: Bound, turns: int) -> None:
        """A loop over `range` of a small literal: it turns at least once, so what its body binds is bound."""
        count = 0
        match node.iter:
            case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(number))], keywords=[]):
                count = number
        if isinstance(count, bool) or not 1 <= count <= turns or node.orelse:
            self.report(
                node, f"a loop must be `for _ in range(N):` with a literal N from 1 to {max(turns, 1)}"
            )
            count = 1
        if isinstance(node.target, ast.Name):
            self.target(node.target, bound)
        else:
            self.report(node, "a loop must bind one plain name")
        self.block(node.body, bound, turns // max(count, 1))

    def target(self, node: ast.expr, bound: Bound) -> None:
        match node:
            case ast.Name():
                self.bind(node, node.id, bound)
            case ast.Tuple() | ast.List():
                for item in node.elts:
                    self.target(item, bound)
            case ast.Subscript():
                text = ast.unparse(node)
                self.report(node, f"`{text} = ...` changes a value in place; build a new dict or tensor")
            case ast.Attribute():
                self.report(node, f"`{ast.unparse(node)} = ...` is not allowed; assign to a plain name")
            case _:
                self.refuse(node)

    def expression(self, node: ast.expr, bound: Bound) -> None:
        match node:
            case ast.Name():
                self.name(node, bound)
            case ast.Constant():
                self.constant(node)
            case ast.Attribute():
                self.attribute(node, bound)
            case ast.Call():
                self.call(node, bound)
            case ast.Subscript(value=ast.Name(id=name)) if name in self.rules.keys:
                self.key(node, name)
            case ast.Subscript():
                self.index(node, bound)
            case ast.BinOp(op=ast.MatMult()) if "matmul" not in self.rules.methods:
                self.report(node, "`@` is not allowed; multiply number by number with `*`")
            case ast.Dict():
                for key in node.keys:
                    if key is not None and not is_text(key):
                        self.report(key, 'a key must be a literal text, such as "m"')
                for value in node.values:
                    self.expression(value, bound)
            case _ if isinstance(node, _PLAIN):
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.expression(child, bound)
            case _:
                self.refuse(node)

    def key(self, node: ast.Subscript, name: str) -> None:
        """A read of a mapping of the rules: by a literal key, one that may be read."""
        known = self.rules.keys[name]
        readable = frozenset(key for key, reason in known.items() if not reason)
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(key, str):
            self.report(node, f'`{name}` must be read by a literal key, as in `{name}["{min(readable)}"]`')
        elif key not in known:
            self.report(node, f"`{name}` has no {key!a}; {nearest(key, readable)}")
        elif known[key]:
            self.report(node, f'`{name}["{key}"]` may not be read: {known[key]}')

    def index(self, node: ast.Subscript, bound: Bound) -> None:
        """Any other subscript; where the rules know mappings, only constants have them."""
        is_constant = isinstance(node.value, ast.Name) and node.value.id in self.scope.constants
        if self.rules.keys and not (is_constant and is_text(node.slice)):
            self.report(node, f"`{ast.unparse(node)}` picks rows; treat every row alike, without an index")
        self.expression(node.value, bound)
        if not is_text(node.slice):
            self.expression(node.slice, bound)

    def name(self, node: ast.Name, bound: Bound) -> None:
        name, scope = node.id, self.scope
        if name in self.rules.keys:
            example = min(key for key, reason in self.rules.keys[name].items() if not reason)
            self.report(node, f'`{name}` may only be read by a key, as in `{name}["{example}"]`')
            return
        if name in bound or name in scope.constants:
            return
        if name in scope.modules:
            self.report(node, f"module `{name}` is not a value; use one of its functions")
        elif name in scope.helpers or name in scope.entries or name in self.rules.builtins:
            self.report(node, f"function `{name}` may only be called, not passed around")
        elif name in self.assigned:
            self.report(node, f"`{name}` may be read before it is assigned; assign it on every path first")
        else:
            known = frozenset(bound | scope.constants | set(scope.modules) | set(scope.helpers))
            self.report(
                node, f"name `{ascii(name)[1:-1]}` is not defined or not allowed; {nearest(name, known)}"
            )

    def constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.report(node, 'a text may only be a key, as in `state["m"]`; delete it')
        elif not (node.value is None or node.value is ... or isinstance(node.value, bool) or is_number(node)):
            self.report(
                node, f"a number must be a finite float, or an integer up to {MOST_INTEGER}; change it"
            )

    def module_of(self, node: ast.expr) -> str | None:
        """The dotted module that an expression names, or None where it is a value."""
        if isinstance(node, ast.Name):
            return self.scope.modules.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self.module_of(node.value)
            dotted = f"{base}.{node.attr}"
            if base and any(name == dotted or name.startswith(f"{dotted}.") for name in self.rules.modules):
                return dotted
        return None

    def attribute(self, node: ast.Attribute, bound: Bound) -> None:
        if self.module_of(node):
            self.report(node, f"module `{ast.unparse(node)}` is not a value; use one of its functions")
            return
        module = self.module_of(node.value)
        if module is not None:
            allowed = self.rules.modules.get(module, frozenset())
            if node.attr not in allowed:
                words = f"`{module}.{node.attr}` is not allowed; from {module}, {nearest(node.attr, allowed)}"
                self.report(node, words)
            return
        if node.attr not in self.rules.methods:
            self.report(
                node, f"`.{node.attr}` is not allowed on a value; {nearest(node.attr, self.rules.methods)}"
            )
        self.expression(node.value, bound)

    def call(self, node: ast.Call, bound: Bound) -> None:
        self.callee(node, bound)
        for argument in node.args:
            self.expression(argument, bound)
        for keyword in node.keywords:
            self.keyword(node, keyword, bound)

    def callee(self, node: ast.Call, bound: Bound) -> None:
        """Report a call of what may not be called."""
        match node.func:
            case ast.Name(id=name) if name in self.scope.helpers:
                self.arity(node, name, self.scope.helpers[name])
            case ast.Name(id=name) if name in self.scope.entries:
                self.report(
                    node, f"`{name}` is called by the evaluator only; move what is shared into a helper"
                )
            case ast.Name(id=name) if name in self.rules.builtins and name not in bound:
                pass
            case ast.Name(id=name) if name not in bound and name not in self.assigned:
                allowed = self.rules.builtins | frozenset(self.scope.helpers)
                self.report(node, f"`{ascii(name)[1:-1]}(...)` is not allowed; {nearest(name, allowed)}")
            case ast.Attribute():
                self.attribute(node.func, bound)
                self.counted(node, node.func)
            case _:
                self.report(node, "only helpers, allowed functions and methods may be called, by their names")

    def keyword(self, node: ast.Call, keyword: ast.keyword, bound: Bound) -> None:
        """Report a named argument that may not be given."""
        if keyword.arg is None:
            self.report(node, REPAIRS[ast.Starred])
        elif keyword.arg in {"out", "inplace"} or keyword.arg.startswith("_"):
            self.report(
                node, f"argument `{keyword.arg}=` is not allowed; use the value that the call returns"
            )
        self.expression(keyword.value, bound)

    def counted(self, node: ast.Call, function: ast.Attribute) -> None:
        """Report a call with more, fewer or named arguments where the rules count them."""
        dotted = f"{self.module_of(function.value)}.{function.attr}"
        count = self.rules.arguments.get(dotted)
        if count is not None and (len(node.args) != count or node.keywords):
            self.report(node, f"`{dotted}` takes exactly {count} argument{'s' * (count > 1)}, by position")

    def arity(self, node: ast.Call, name: str, signature: Signature) -> None:
        given = [*signature.parameters[: len(node.args)], *(keyword.arg for keyword in node.keywords)]
        known = len(node.args) <= len(signature.parameters) and set(given) <= set(signature.parameters)
        complete = set(signature.parameters[: signature.needed]) <= set(given)
        if not known or not complete or len(set(given)) != len(given):
            self.report(node, f"call it as `{name}({', '.join(signature.parameters)})`")

    def refuse(self, node: ast.AST) -> None:
        words = (
            f"`{type(node).__name__}` is not part of this language; write it with assignments, `if` and calls"
        )
        self.report(node, REPAIRS.get(type(node), words))
