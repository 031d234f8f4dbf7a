"""The canonical form of a program: one text for all spellings of the same computation.

Gone: comments, docstrings, annotations, `pass`, unused imports, import aliases. Made equal: layout, spelling
of literals, names of locals (v0, v1, ... in order of first assignment) and of helper functions (named after
their content), the order of functions, imports, constants and of literal keys, the direction of `<` and `>`.
Operands of `+` and `*` are ordered, because IEEE 754 addition and multiplication commute exactly; nothing is
reassociated, and maximum and minimum keep their order, because they choose between 0.0 and -0.0 by it.

Functions decorated `@triton.jit` keep the decorator and their annotations, which mean something; they are
helpers like others, named after their content, and `import triton.language as tl` keeps its name.

Exact for programs that `check` passes, under one assumption: no parameter of an entry function and no item of
one is a sequence that `+` would join. For any other text the form stays a valid program that does the same,
less is made equal.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256

from .edit import renamed
from .rules import is_kernel

_PLAIN = (
    ast.Assign, ast.Return, ast.If, ast.For, ast.Pass, ast.Break, ast.Continue, ast.Expr,
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.keyword, ast.Attribute,
    ast.Subscript, ast.Slice, ast.Name, ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.arguments, ast.arg,
    ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
)  # fmt: skip
_KERNEL = (ast.AugAssign, ast.AnnAssign)
"""What a kernel may hold besides."""
_LITERAL = (ast.Constant, ast.UnaryOp, ast.USub, ast.UAdd, ast.Tuple, ast.List, ast.Dict, ast.Load)
_SEES_NAMES = frozenset({"locals", "globals", "vars", "dir", "eval", "exec"})
_MAKES_SEQUENCES = {
    "tuple", "list", "sorted", "range", "zip", "map", "filter", "enumerate", "reversed", "str", "repr",
    "shape", "size", "split", "chunk", "unbind", "tolist", "stride", "items", "keys", "values", "sort",
    "topk", "mode", "meshgrid", "std_mean", "var_mean", "aminmax", "broadcast_tensors",
}  # fmt: skip
_COMMUTE = frozenset({"add", "mul", "multiply", "logical_and", "logical_or"})
LANGUAGE = ("triton.language", "tl")
"""A module that keeps its short name: kernels are written with it."""
_BLOCKS = frozenset({"body", "orelse", "finalbody"})
_SILENT = frozenset({"ctx", "kind", "type_comment", "type_params", "returns"})


@lru_cache(maxsize=512)
def canonical(source: str) -> str:
    """The text that is evaluated. Deterministic, and canonical(canonical(s)) == canonical(s).

    SyntaxError, ValueError or RecursionError where the source cannot be parsed: `check` it first.
    """
    tree = ast.parse(source)
    _strip(tree)
    module = _plain_module(tree)
    if module is not None:
        tree.body = _settled(module)
    return ast.unparse(tree) + "\n"


def syntax_hash(source: str) -> str:
    """16 hexadecimal digits of the canonical form: equal for equal computations that differ in spelling."""
    return _digits(canonical(source), 16)


def _digits(text: str, count: int) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:count]


def _strip(tree: ast.Module) -> None:
    """Remove what is never evaluated."""
    meant = {id(part) for node in tree.body if is_kernel(node) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.kind = None
        elif isinstance(node, ast.arg):
            node.annotation = node.annotation if id(node) in meant else None
        elif not isinstance(node, ast.expr):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                node.returns = None
            for name in _BLOCKS.intersection(node._fields):
                block: list[ast.stmt] = getattr(node, name)
                bare = [item if id(item) in meant else _bare(item) for item in block]
                kept = [item for item in bare if not _is_idle(item)]
                needed = name == "body" and not isinstance(node, ast.Module)
                setattr(node, name, kept or ([ast.Pass()] if needed else []))


def _is_idle(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _bare(node: ast.stmt) -> ast.stmt:
    if isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
        return ast.copy_location(ast.Assign([node.target], node.value), node)
    return node


class _Function:
    """A function whose every node is known, with its names."""

    def __init__(self, node: ast.FunctionDef) -> None:
        self.node = node
        inner = [child for child in ast.iter_child_nodes(node) if child not in node.decorator_list]
        self.parts = [part for child in inner for part in ast.walk(child)]
        self.names = {part.id for part in self.parts if isinstance(part, ast.Name)}
        arguments = node.args
        plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        self.parameters = {a.arg for a in (*plain, arguments.vararg, arguments.kwarg) if a is not None}

    def is_plain(self) -> bool:
        """Whether its locals can be told from other names, and renamed unseen."""
        kernel = is_kernel(self.node)
        known = (*_PLAIN, *_KERNEL) if kernel else _PLAIN
        return (
            (kernel or not self.node.decorator_list)
            and not getattr(self.node, "type_params", None)
            and all(isinstance(part, known) for part in self.parts)
            and not any(name in _SEES_NAMES or name.startswith("__") for name in self.names)
        )

    def locals(self) -> list[str]:
        """The names that the body binds, in the order of the text."""
        return [name for name in dict.fromkeys(_bindings(self.node.body)) if name not in self.parameters]


@dataclass(frozen=True)
class _Module:
    """A module of imports, literal constants and plain functions, where a name means one thing everywhere."""

    imports: Mapping[str, str]
    """Names as imports bind them, and the dotted modules that they mean."""
    constants: Mapping[str, ast.Assign]
    functions: Mapping[str, "_Function"]
    """A function comes after those that it calls."""
    helpers: frozenset[str]
    """Functions that others call."""


def _plain_module(tree: ast.Module) -> _Module | None:
    """The parts of a module, or None where it is not so plain that its names can be changed."""
    imports: dict[str, str] = {}
    constants: dict[str, ast.Assign] = {}
    functions: dict[str, _Function] = {}
    bound: list[str] = []
    for node in tree.body:
        match node:
            case ast.Import():
                imports.update((alias.asname or alias.name, alias.name) for alias in node.names)
                bound += [alias.asname for alias in node.names if alias.asname]
            case ast.Assign(targets=[ast.Name(id=name)]) if all(
                isinstance(n, _LITERAL) for n in ast.walk(node.value)
            ):
                constants[name] = node
                bound.append(name)
            case ast.FunctionDef() if (function := _Function(node)).is_plain():
                functions[node.name] = function
                bound.append(node.name)
            case _:
                return None
    roots = {dotted.partition(".")[0] for dotted in imports.values()}
    inner = {name for function in functions.values() for name in (*function.parameters, *function.locals())}
    if len({*bound, *roots}) != len(bound) + len(roots) or inner & {*bound, *roots}:
        return None
    calls = {name: functions.keys() & function.names for name, function in functions.items()}
    try:
        order = list(TopologicalSorter(calls).static_order())
    except CycleError:
        return None
    helpers = frozenset(name for called in calls.values() for name in called)
    return _Module(imports, constants, {name: functions[name] for name in order}, helpers)


def _bindings(body: list[ast.stmt]) -> Iterator[str]:
    """The names that plain statements bind, in the order of the text, with repetitions."""
    for node in body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, (ast.For, *_KERNEL))
            else []
        )
        for target in targets:
            yield from (
                n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            )
        if isinstance(node, (ast.For, ast.If)):
            yield from _bindings(node.body)
            yield from _bindings(node.orelse)


def _settled(module: _Module) -> list[ast.stmt]:
    """The statements of a plain module in canonical order; its functions are rewritten in place."""
    used = {name for function in module.functions.values() for name in function.names}
    if any(is_kernel(function.node) for function in module.functions.values()):
        used |= {"triton"}
    wanted = sorted({dotted for name, dotted in module.imports.items() if name.partition(".")[0] in used})
    shorts = {dotted: name for name, dotted in module.imports.items() if (dotted, name) == LANGUAGE}
    aliases = {
        name: dotted
        for name, dotted in module.imports.items()
        if name in used and name != dotted and (dotted, name) != LANGUAGE
    }
    roots = {dotted.partition(".")[0] for dotted in wanted if dotted not in shorts}
    order = _Order(module, frozenset(roots))
    names: dict[str, str] = {}
    entries: dict[str, ast.stmt] = {}
    helpers: dict[str, ast.stmt] = {}
    for name, function in module.functions.items():
        if not aliases.keys().isdisjoint(function.names):
            function = _Function(renamed(function.node, aliases))
        _rename(function, names)
        node = function.node
        key = order.settle(node.args) + order.settle(node.body)
        if name in module.helpers:
            node.name = names[name] = f"f{_digits(key, 10)}"
            helpers[node.name] = node
        else:
            entries[name] = node
    for constant in module.constants.values():
        order.settle(constant)
    groups: tuple[Mapping[str, ast.stmt], ...] = (module.constants, helpers, entries)
    return [
        *(ast.Import([ast.alias(dotted, shorts.get(dotted))]) for dotted in wanted),
        *(group[name] for group in groups for name in sorted(group)),
    ]


def _rename(function: _Function, helpers: Mapping[str, str]) -> None:
    """Give locals and called helpers their canonical names."""
    bound = function.locals()
    taken = (function.names - set(bound)) | function.parameters
    fresh = (
        name for name in (f"v{number}" for number in range(len(bound) + len(taken))) if name not in taken
    )
    names = {**helpers, **dict(zip(bound, fresh, strict=False))}
    for part in function.parts:
        if isinstance(part, ast.Name):
            part.id = names.get(part.id, part.id)


class _Order:
    """Puts what may be exchanged into one order, bottom up, each node once."""

    def __init__(self, module: _Module, roots: frozenset[str]) -> None:
        self.roots = roots
        self.may_join = any(_may_join(function, module) for function in module.functions.values())

    def settle(self, part: object) -> str:
        """A text, equal for equal parts, by which operands compare; the part is ordered in place."""
        if isinstance(part, list):
            return f"[{','.join([self.settle(item) for item in part])}]"
        match part:
            case ast.Name(id=name):
                return name
            case ast.BinOp():
                return self.settle_arithmetic(part)
            case ast.Compare(ops=[op], comparators=[_]):
                return self.settle_comparison(part, op)
            case ast.Call():
                return self.settle_call(part)
            case ast.Dict():
                return self.settle_dict(part)
            case ast.AST():
                texts = [
                    self.settle(getattr(part, field, None)) for field in part._fields if field not in _SILENT
                ]
                return f"{type(part).__name__}({' '.join(texts)})"
        return repr(part)

    def settle_arithmetic(self, node: ast.BinOp) -> str:
        left, right = self.settle(node.left), self.settle(node.right)
        commutes = isinstance(node.op, ast.Mult) or (isinstance(node.op, ast.Add) and not self.may_join)
        if commutes and right < left:
            node.left, node.right, left, right = node.right, node.left, right, left
        return f"{type(node.op).__name__}({left} {right})"

    def settle_comparison(self, node: ast.Compare, op: ast.cmpop) -> str:
        left, right = self.settle(node.left), self.settle(node.comparators[0])
        mirrored = {ast.Gt: ast.Lt(), ast.GtE: ast.LtE()}.get(type(op))
        if mirrored or (isinstance(op, (ast.Eq, ast.NotEq)) and right < left):
            node.left, node.comparators = node.comparators[0], [node.left]
            left, right, op = right, left, mirrored or op
            node.ops = [op]
        return f"{type(op).__name__}({left} {right})"

    def settle_call(self, node: ast.Call) -> str:
        function = self.settle(node.func)
        arguments = [self.settle(argument) for argument in node.args]
        keywords = sorted(
            (k.arg or "", number, self.settle(k.value)) for number, k in enumerate(node.keywords)
        )
        if all(name for name, _, _ in keywords):
            node.keywords = [node.keywords[number] for _, number, _ in keywords]
        match node.func:
            case ast.Attribute(value=ast.Name(id=root), attr=name) if root in self.roots and name in _COMMUTE:
                if len(arguments) == 2 and not keywords and arguments[1] < arguments[0]:
                    node.args.reverse()
                    arguments.reverse()
        named = [f"{name}={text}" for name, _, text in keywords]
        return f"Call({function} {' '.join([*arguments, *named])})"

    def settle_dict(self, node: ast.Dict) -> str:
        keys = [self.settle(key) for key in node.keys]
        values = [self.settle(value) for value in node.values]
        texts = all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys)
        order = (
            sorted(range(len(keys)), key=keys.__getitem__) if texts and len(set(keys)) == len(keys) else None
        )
        if order:
            node.keys, node.values = [node.keys[i] for i in order], [node.values[i] for i in order]
        return f"Dict({' '.join([f'{keys[i]}:{values[i]}' for i in order or range(len(keys))])})"


def _may_join(function: _Function, module: _Module) -> bool:
    """Whether a sequence may reach a `+` that would join it: one stands where it is not used up."""
    used_up: set[int] = set()
    sequences: set[int] = set()
    for node in function.parts:
        match node:
            case ast.Name():
                pass
            case ast.Return(value=ast.expr() as value) if function.node.name not in module.helpers:
                used_up.add(id(value))
            case ast.Assign(targets=[ast.Tuple() | ast.List() as target]):
                used_up.update((id(node.value), id(target)))
            case ast.For():
                used_up.update((id(node.iter), id(node.target)))
            case ast.Subscript():
                used_up.update((id(node.value), id(node.slice)))
            case ast.Call() if not (isinstance(node.func, ast.Name) and node.func.id in module.functions):
                used_up.update(id(argument) for argument in (node.func, *node.args))
                used_up.update(id(keyword.value) for keyword in node.keywords)
            case ast.Dict():
                used_up.update(id(key) for key in node.keys)
            case ast.Attribute():
                used_up.add(id(node.value))
        if _is_sequence(node, module):
            sequences.add(id(node))
    return not sequences <= used_up


def _is_sequence(node: ast.AST, module: _Module) -> bool:
    match node:
        case ast.Tuple() | ast.List():
            return True
        case ast.Constant(value=str() | bytes()):
            return True
        case ast.Attribute(attr=name) | ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _MAKES_SEQUENCES
        case ast.Name(id=name, ctx=ast.Load()) if name in module.constants:
            return not isinstance(module.constants[name].value, (ast.Constant, ast.UnaryOp))
    return False
