"""The language of modules with Triton kernels: what `@triton.jit` functions may hold, and who launches them.

A kernel is a small, structured part of Triton's own language; a host function is the language of `grammar`
that may launch kernels besides. Not covered: whether Triton compiles it, that loops end soon, that addresses
lie in a tensor.
"""

import ast
from collections.abc import Mapping
from dataclasses import replace

from .grammar import Body, Bound, Report, Scope, nearest, signature_of
from .repairs import REPAIRS
from .rules import KernelRules, is_kernel

IMPORTS = {"torch": None, "triton": None, "triton.language": "tl"}
"""How each module must be imported: the name after `as`, if any."""
LOOPS = frozenset({"range", "static_range"})
NO_WHILE = "`while` is not allowed; write `for k in range(0, END, STEP)`"


def check_import_form(alias: ast.alias, report: Report) -> None:
    """Report an import under another name: canonical forms and kernels know these modules by theirs."""
    wanted = IMPORTS.get(alias.name)
    if alias.name in IMPORTS and alias.asname != wanted:
        report(alias, f"write `import {alias.name}{f' as {wanted}' if wanted else ''}`, exactly so")


class KernelBody(Body):
    """The check of one kernel, or of a function that kernels call."""

    def __init__(self, scope: Scope, kernels: KernelRules, report: Report) -> None:
        rules = replace(
            scope.rules,
            modules={"triton.language": kernels.language},
            methods=kernels.methods,
            builtins=kernels.builtins,
            keys={},
            arguments={},
        )
        modules = {name: dotted for name, dotted in scope.modules.items() if dotted == "triton.language"}
        self.kernels = kernels
        self.module_names = frozenset(scope.modules)
        super().__init__(replace(scope, rules=rules, modules=modules), report)

    def decorators(self, function: ast.FunctionDef) -> None:
        """Report any decorator but the one that makes it a kernel."""
        if not is_kernel(function):
            self.report(function, "the only decorator is `@triton.jit`, written exactly so, on kernels alone")

    def parameter(self, node: ast.arg) -> None:
        if node.annotation is not None and not _is_constexpr(node.annotation):
            self.report(
                node, f"parameter `{node.arg}` may be plain or annotated `tl.constexpr`, nothing else"
            )

    def may_end(self, function: ast.FunctionDef) -> None:
        """A kernel returns nothing; a function that it calls may."""

    def bind(self, node: ast.AST, name: str, bound: Bound) -> None:
        if name in self.module_names:
            self.report(node, f"`{name}` already names a module; choose another name")
        super().bind(node, name, bound)

    def statement(self, node: ast.stmt, bound: Bound, turns: int) -> bool:
        match node:
            case ast.Return(value=None):
                return True
            case ast.AugAssign(target=ast.Name(id=name) as target):
                self.name(ast.copy_location(ast.Name(name, ast.Load()), target), bound)
                if isinstance(node.op, ast.MatMult):
                    self.report(node, "`@` is not allowed; write `tl.dot(a, b)`")
                self.expression(node.value, bound)
            case ast.AugAssign():
                self.report(node, "only a plain name may be changed by `+=` and its kin; use `tl.store`")
            case ast.AnnAssign() if not _is_constexpr(node.annotation):
                self.report(node, "an annotation inside a kernel must be `tl.constexpr`; delete it")
            case ast.Expr(value=ast.Call() as call):
                self.effect(call, bound)
            case ast.If():
                # a condition on constants is settled by the compiler, and with it what is bound later
                self.expression(node.test, bound)
                then, other = set(bound), set(bound)
                returns = self.block(node.body, then, turns), self.block(node.orelse, other, turns)
                bound |= then | other
                return all(returns)
            case ast.Break() | ast.Continue():
                self.report(node, "Triton has neither `break` nor `continue`; mask what should not happen")
            case ast.While():
                self.report(node, NO_WHILE)
            case _:
                return super().statement(node, bound, turns)
        return False

    def effect(self, call: ast.Call, bound: Bound) -> None:
        """A call that stands alone: a store, an atomic, or another kernel function."""
        match call.func:
            case ast.Attribute(value=ast.Name(id="tl"), attr=name) if name in self.kernels.effects:
                pass
            case ast.Name(id=name) if name in self.scope.helpers:
                pass
            case _:
                self.report(
                    call,
                    "this line computes a value and drops it; assign it, or call one of "
                    + ", ".join(f"`tl.{name}`" for name in sorted(self.kernels.effects)),
                )
        self.expression(call, bound)

    def loop(self, node: ast.For, bound: Bound, turns: int) -> None:
        """A loop over a range; it may turn never, so what its body binds is bound inside alone."""
        match node.iter:
            case ast.Call(func=ast.Name(id="range")):
                self.expression(node.iter, bound)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="tl"), attr=name)) if name in LOOPS:
                self.expression(node.iter, bound)
            case _:
                self.report(
                    node, "a loop must go over `range(...)`, `tl.range(...)` or `tl.static_range(...)`"
                )
        if node.orelse:
            self.report(node, "a loop must have no `else`; put it after the loop")
        inner = set(bound)
        if isinstance(node.target, ast.Name):
            self.target(node.target, inner)
        else:
            self.report(node, "a loop must bind one plain name")
        self.block(node.body, inner, turns)

    def target(self, node: ast.expr, bound: Bound) -> None:
        if isinstance(node, (ast.Subscript, ast.Attribute)):
            self.report(node, f"`{ast.unparse(node)} = ...` is not allowed; write memory with `tl.store`")
        else:
            super().target(node, bound)

    def expression(self, node: ast.expr, bound: Bound) -> None:
        match node:
            case ast.BinOp(op=ast.MatMult()):
                self.report(node, "`@` is not allowed; write `tl.dot(a, b)`")
            case ast.Dict():
                self.refuse(node)
            case _:
                super().expression(node, bound)

    def index(self, node: ast.Subscript, bound: Bound) -> None:
        self.expression(node.value, bound)
        self.expression(node.slice, bound)

    def name(self, node: ast.Name, bound: Bound) -> None:
        name = node.id
        if name in self.scope.constants and name not in bound:
            self.report(node, f"a kernel cannot see `{name}`; give it a `tl.constexpr` parameter for that")
        elif name in self.module_names and name not in self.scope.modules:
            self.report(node, f"a kernel cannot use `{name}`; its functions are those of `tl`")
        else:
            super().name(node, bound)

    def constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            takers = ", ".join(f"`{name}=`" for name in sorted(self.kernels.texts))
            self.report(node, f"a text may only be the value of {takers}; delete it")
        else:
            super().constant(node)

    def keyword(self, node: ast.Call, keyword: ast.keyword, bound: Bound) -> None:
        name, value = keyword.arg, keyword.value
        is_helper = isinstance(node.func, ast.Name) and node.func.id in self.scope.helpers
        if name is None:
            self.report(node, REPAIRS[ast.Starred])
        elif not is_helper and name not in self.kernels.keywords | self.kernels.texts.keys():
            self.report(node, f"argument `{name}=` is not allowed; {nearest(name, self.kernels.keywords)}")
        if name in self.kernels.texts and isinstance(value, ast.Constant) and isinstance(value.value, str):
            known = self.kernels.texts[str(name)]
            if value.value not in known:
                self.report(node, f"`{name}={value.value!a}` is not allowed; {nearest(value.value, known)}")
        else:
            self.expression(value, bound)


class HostBody(Body):
    """The check of a function that runs on the host: it makes outputs and launches kernels."""

    def __init__(
        self,
        scope: Scope,
        kernels: KernelRules,
        launched: Mapping[str, tuple[str, ...]],
        tables: Mapping[str, frozenset[str]],
        report: Report,
    ) -> None:
        """`launched` are the kernels with their parameters, `tables` the constants that are dicts."""
        super().__init__(scope, report)
        self.kernels = kernels
        self.launched = launched
        self.tables = tables

    def bind(self, node: ast.AST, name: str, bound: Bound) -> None:
        if name in self.launched:
            self.report(node, f"`{name}` already names a kernel; choose another name")
        super().bind(node, name, bound)

    def statement(self, node: ast.stmt, bound: Bound, turns: int) -> bool:
        match node:
            case ast.Expr(value=ast.Call(func=ast.Subscript(value=ast.Name(id=name))) as call) if (
                name in self.launched
            ):
                self.launch(call, name, bound)
                return False
            case ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call) if name in self.scope.helpers:
                self.expression(call, bound)
                return False
        return super().statement(node, bound, turns)

    def launch(self, call: ast.Call, name: str, bound: Bound) -> None:
        """`kernel[grid](arguments, NAME=value, num_warps=value)`."""
        assert isinstance(call.func, ast.Subscript)
        parameters = self.launched[name]
        grid = call.func.slice
        if isinstance(grid, ast.Tuple) and not 1 <= len(grid.elts) <= 3:
            self.report(call, f"the grid of `{name}` must have one to three numbers")
        if not isinstance(grid, (ast.Tuple, ast.Name, ast.Call)):
            self.report(call, f"launch `{name}` with a tuple, as in `{name}[(n,)](...)`")
        self.expression(grid, bound)
        for argument in call.args:
            self.expression(argument, bound)
        given = [*parameters[: len(call.args)], *(k.arg for k in call.keywords if k.arg in parameters)]
        if len(call.args) > len(parameters) or sorted(map(str, given)) != sorted(parameters):
            self.report(call, f"`{name}` takes each of {', '.join(parameters)} once")
        for keyword in call.keywords:
            if keyword.arg is None:
                self.report(call, REPAIRS[ast.Starred])
            elif keyword.arg not in parameters and keyword.arg not in self.kernels.options:
                known = self.kernels.options | frozenset(parameters)
                self.report(
                    call, f"launch option `{keyword.arg}=` is not allowed; {nearest(keyword.arg, known)}"
                )
            self.option(keyword.value, bound)

    def option(self, node: ast.expr, bound: Bound) -> None:
        """A value given to a kernel by name; a text that a kernel may use is one."""
        match node:
            case ast.Constant(value=str(text)):
                known = frozenset().union(*self.kernels.texts.values())
                if text not in known:
                    self.report(node, f"the text {text!a} means nothing to a kernel; {nearest(text, known)}")
            case ast.IfExp():
                self.expression(node.test, bound)
                self.option(node.body, bound)
                self.option(node.orelse, bound)
            case _:
                self.expression(node, bound)

    def name(self, node: ast.Name, bound: Bound) -> None:
        if node.id in self.launched and node.id not in bound:
            self.report(node, f"kernel `{node.id}` may only be launched, as in `{node.id}[(n,)](...)`")
        else:
            super().name(node, bound)

    def index(self, node: ast.Subscript, bound: Bound) -> None:
        match node:
            case ast.Subscript(value=ast.Name(id=table), slice=ast.Constant(value=str(key))) if (
                table in self.tables and table not in bound
            ):
                if key not in self.tables[table]:
                    self.report(node, f"`{table}` has no {key!a}; {nearest(key, self.tables[table])}")
            case ast.Subscript(value=ast.Name(id=table)) if table in self.tables and table not in bound:
                self.report(node, f'`{table}` must be read by a literal key, as in `{table}["..."]`')
            case _:
                super().index(node, bound)

    def callee(self, node: ast.Call, bound: Bound) -> None:
        match node.func:
            case ast.Name(id=name) if name in self.launched:
                self.report(node, f"kernel `{name}` must be launched, as in `{name}[(n,)](...)`")
            case ast.Subscript(value=ast.Name(id=name)) if name in self.launched:
                self.report(node, f"a launch of `{name}` gives no value; write it as a statement of its own")
            case _:
                super().callee(node, bound)

    def keyword(self, node: ast.Call, keyword: ast.keyword, bound: Bound) -> None:
        known = self.kernels.host_keywords
        if isinstance(node.func, ast.Attribute) and keyword.arg is not None and keyword.arg not in known:
            self.report(node, f"argument `{keyword.arg}=` is not allowed; {nearest(keyword.arg, known)}")
        super().keyword(node, keyword, bound)


def _is_constexpr(node: ast.expr) -> bool:
    return ast.unparse(node) == "tl.constexpr"


def check_functions(
    functions: Mapping[str, ast.FunctionDef],
    scope: Scope,
    tables: Mapping[str, frozenset[str]],
    kernels: KernelRules,
    report: Report,
) -> None:
    """Report what kernels and host functions break; `scope` is that of the module without helpers."""
    jitted = {name: node for name, node in functions.items() if node.decorator_list}
    hosts = {name: node for name, node in functions.items() if name not in jitted}
    for name in scope.entries & jitted.keys():
        report(jitted[name], f"`{name}` runs on the host; take `@triton.jit` away and launch kernels in it")
    signatures = {name: signature_of(node) for name, node in jitted.items()}
    host_helpers = {name: signature_of(node) for name, node in hosts.items() if name not in scope.entries}
    launched = {name: signature.parameters for name, signature in signatures.items()}
    inside = replace(scope, helpers=signatures, entries=frozenset(hosts))
    outside = replace(scope, helpers=host_helpers)
    for node in jitted.values():
        KernelBody(inside, kernels, report).check(node)
    for node in hosts.values():
        HostBody(outside, kernels, launched, tables, report).check(node)
