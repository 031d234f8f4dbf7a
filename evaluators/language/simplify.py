"""Removing what does not matter: statements, state slots and constants that no result depends on, and x * 1.

Most statements of evolved programs are dead (Chen et al. 2023, arXiv:2302.06675). The programs must obey
`static.check`: their functions are pure, so a statement that binds only unread names can go. Kernels write
memory: in a module that has any, what may write stays, and kernels are not folded, because `x * 1` may change
the type of x there.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from .rules import is_kernel
from .vocabulary import Layout

Names = frozenset[str]


def simplify(source: str, layout: Layout | None = None) -> str:
    """The program without what does not matter, laid out anew; comments are lost.

    Equal in every result but for the sign of zeros and for errors that dead statements would have raised:
    check its behaviour again. With a `layout`, unread state slots and constants go too.
    """
    tree = ast.parse(source)
    while fold(tree) or remove_dead(tree, layout):
        pass
    return ast.unparse(tree) + "\n"


def fold(tree: ast.Module) -> list[str]:
    """The texts of operations that did nothing and are gone now: x * 1, x / 1, x ** 1, x + 0, x - 0, --x."""
    folding = _Folding()
    folding.visit(tree)
    return folding.found


class _Folding(ast.NodeTransformer):
    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if not is_kernel(node):
            self.generic_visit(node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.BinOp(op=ast.Mult() | ast.Div() | ast.Pow(), right=ast.Constant(value=1)):
                return self.replaced(node, node.left)
            case ast.BinOp(op=ast.Add() | ast.Sub(), right=ast.Constant(value=0)):
                return self.replaced(node, node.left)
            case ast.BinOp(op=ast.Mult(), left=ast.Constant(value=1)):
                return self.replaced(node, node.right)
            case ast.BinOp(op=ast.Add(), left=ast.Constant(value=0)):
                return self.replaced(node, node.right)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.UnaryOp(op=ast.USub(), operand=inner)):
                return self.replaced(node, inner)
        return node

    def replaced(self, node: ast.expr, by: ast.expr) -> ast.expr:
        self.found.append(ast.unparse(node))
        return by


def remove_dead(tree: ast.Module, layout: Layout | None = None) -> list[str]:
    """The statements, state slots and constants, in words, that were dead and are gone now."""
    found: list[str] = []
    seen: dict[int, Names] = {}
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    writers = frozenset(functions) if any(map(is_kernel, tree.body)) else frozenset()
    if layout and layout.state_parameter and layout.function in functions:
        found += _remove_slots(functions, layout, seen)
    for function in functions.values():
        liveness = _Liveness(prune=True, seen=seen, writers=writers)
        function.body, _ = liveness.block(function.body, frozenset(), frozenset())
        found += liveness.removed
    if layout and layout.constants:
        found += _remove_constants(tree, layout)
    return found


def _bound(node: ast.Assign | ast.For) -> Names:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return frozenset(part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))


@dataclass
class _Liveness:
    """Walks statements backwards with the names that are read later; what binds none of them does not matter.

    With a `state` parameter, its slots are names too, written `state[k]`, and what a returned dict holds for
    a slot matters only if that is among `slots`. `seen` holds what each node reads; walks over the same tree
    and state share it. A call of one of `writers` matters, whatever it returns.
    """

    prune: bool
    seen: dict[int, Names]
    state: str = ""
    slots: Names = frozenset()
    writers: Names = frozenset()
    removed: list[str] = field(default_factory=list)

    def block(self, body: list[ast.stmt], live: Names, around: Names) -> tuple[list[ast.stmt], Names]:
        """(statements that matter, names they read); `around` is read where a loop turns or is left early."""
        kept: list[ast.stmt] = []
        for node in reversed(body):
            live, matters = self.statement(node, live, around)
            if matters:
                kept.append(node)
            elif self.prune and not isinstance(node, ast.Pass):
                self.removed.append(ast.unparse(node).partition("\n")[0])
        return kept[::-1], live

    def statement(self, node: ast.stmt, live: Names, around: Names) -> tuple[Names, bool]:
        match node:
            case ast.Return():
                return self.returned(node), True
            case ast.Assign():
                bound = _bound(node)
                if bound & live or self.writes(node.value):
                    return (live - bound) | self.read(node.value), True
                return live, False
            case ast.AugAssign(target=ast.Name(id=name)):
                return live | self.read(node) | {name}, True
            case ast.If():
                body, then = self.block(node.body, live, around)
                orelse, other = self.block(node.orelse, live, around)
                if self.prune:
                    node.body, node.orelse = body or [ast.Pass()], orelse
                return then | other | self.read(node.test), bool(body or orelse)
            case ast.For():
                return self.loop(node, live)
            case ast.Break() | ast.Continue():
                return around, True
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return live, False
        return live | self.read(node), True

    def loop(self, node: ast.For, live: Names) -> tuple[Names, bool]:
        looking = replace(self, prune=False)
        around, before = live, None
        while around != before:  # what one turn reads, the turn before must keep
            before = around
            around |= looking.block(node.body, around, around)[1] - _bound(node)
        body, inner = self.block(node.body, around, around)
        if self.prune and body:
            node.body = body
        return live | (inner - _bound(node)) | self.read(node.iter), bool(body)

    def writes(self, node: ast.expr) -> bool:
        """Whether a value is made by what may write memory: an atomic, or a function of the module."""
        if not self.writers:
            return False
        called = {part.func for part in ast.walk(node) if isinstance(part, ast.Call)}
        names = {each.id for each in called if isinstance(each, ast.Name)}
        attributes = {each.attr for each in called if isinstance(each, ast.Attribute)}
        return bool(names & self.writers) or any(name.startswith("atomic_") for name in attributes)

    def returned(self, node: ast.Return) -> Names:
        last = _last_dict(node)
        if not self.state or last is None:
            return self.read(node)
        items = [v for k, v in zip(last.keys, last.values, strict=True) if _text(k) in self.slots]
        others = node.value.elts[:-1] if isinstance(node.value, ast.Tuple) else []
        return frozenset().union(*map(self.read, (*others, *items)))

    def read(self, node: ast.AST) -> Names:
        if (known := self.seen.get(id(node))) is not None:
            return known
        found = set()
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                found.add(part.id)
            elif key := _key(part, (self.state,)):
                found.add(f"{self.state}[{key}]")
        self.seen[id(node)] = frozenset(found)
        return self.seen[id(node)]


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _key(node: ast.AST, names: tuple[str, ...]) -> str:
    """k where the node is `name["k"]` for one of the names, else nothing."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in names:
        return _text(node.slice)
    return ""


def _last_dict(node: ast.Return) -> ast.Dict | None:
    value = node.value.elts[-1] if isinstance(node.value, ast.Tuple) and node.value.elts else node.value
    return value if isinstance(value, ast.Dict) else None


def returned_dicts(function: ast.FunctionDef) -> list[ast.Dict]:
    """The dicts that a function returns, alone or as the last item of a tuple, where they are written out."""
    return [each for node in _returns(function.body) if (each := _last_dict(node)) is not None]


def _returns(body: list[ast.stmt]) -> Iterator[ast.Return]:
    for node in body:
        if isinstance(node, ast.Return):
            yield node
        elif isinstance(node, (ast.If, ast.For)):
            yield from _returns(node.body)
            yield from _returns(node.orelse)


def keys_read(nodes: Iterable[ast.AST], *names: str) -> Names | None:
    """The keys k of all `name["k"]`, or None where one of the names is used in another way."""
    keys: set[str] = set()
    uses = 0
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                uses += part.id in names
            elif key := _key(part, names):
                keys.add(key)
                uses -= 1
    return None if uses else frozenset(keys)


def _remove_slots(functions: dict[str, ast.FunctionDef], layout: Layout, seen: dict[int, Names]) -> list[str]:
    """The state slots removed: those that only help to compute themselves."""
    function = functions[layout.function]
    dicts = returned_dicts(function)
    makers = returned_dicts(functions[layout.state_function]) if layout.state_function in functions else []
    slots = frozenset(_text(key) for each in (*dicts, *makers) for key in each.keys)
    if "" in slots or not slots or keys_read(function.body, layout.state_parameter) is None:
        return []
    live: Names = frozenset()
    read = None
    while read is None or not read <= live:
        live |= read or frozenset()
        liveness = _Liveness(prune=False, seen=seen, state=layout.state_parameter, slots=live)
        names = liveness.block(function.body, frozenset(), frozenset())[1]
        read = frozenset(slot for slot in slots if f"{layout.state_parameter}[{slot}]" in names)
    for each in (*dicts, *makers):
        _keep_keys(each, live)
    return [f"state {name!r}" for name in sorted(slots - live)]


def _keep_keys(node: ast.Dict, keep: Names) -> None:
    pairs = [(k, v) for k, v in zip(node.keys, node.values, strict=True) if _text(k) in keep]
    node.keys, node.values = [key for key, _ in pairs], [value for _, value in pairs]


def _remove_constants(tree: ast.Module, layout: Layout) -> list[str]:
    """The constants removed: those that no function reads by name."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    read = keys_read(functions, layout.constants, layout.constants_parameter)
    if read is None:
        return []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=layout.constants)], value=ast.Dict() as table):
                dead = {_text(key) for key in table.keys} - read - layout.pinned
                _keep_keys(table, frozenset(_text(key) for key in table.keys) - dead)
                return [f"constant {name!r}" for name in sorted(dead)]
    return []
