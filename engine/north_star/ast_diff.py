"""The edits between two programs, found in their syntax trees; each can be undone alone.

The two syntax trees are walked side by side. Where they agree there is nothing to undo; where they differ
in one place of a node that is otherwise the same, the walk goes down; what is left is an edit: an
expression put in the place of another, a statement or an entry that came or went. An expression that came
in the place of another may do many things, so each of its operations is an edit too, undone by leaving one
of its operands. The walk can be repeated with any set of edits undone, and then gives a whole program.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, TypeVar

Node = TypeVar("Node", bound=ast.AST)
Item = TypeVar("Item")
LEAVES = (ast.Constant, ast.Name, ast.Attribute)
OPERATORS = (ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
BLOCKS = ("body", "orelse")
DOCSTRING = "docstring"
IMPORTS = (ast.Import, ast.ImportFrom)
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Hunk:
    """One edit: what it did, in words, and the names and keys that only one of its sides binds or reads."""

    text: str
    binds: frozenset[str]
    reads: frozenset[str]
    """What its new side alone binds and reads."""
    bound: frozenset[str]
    read: frozenset[str]
    """What its old side alone bound and read."""
    part_of: int | None = None
    """The number of the edit that brought the expression in which this operation is."""

    @property
    def removal(self) -> bool:
        """Whether it only took something away."""
        return self.text.startswith("- ")


class _Walk:
    """One walk over both trees; `undone` are numbers of edits, counted in the order in which they are met.

    `constants` is the name by which the programs read their named numbers.
    """

    def __init__(self, undone: frozenset[int], constants: str) -> None:
        self.undone = undone
        self.constants = constants
        self.hunks: list[Hunk] = []

    def edit(
        self,
        old: ast.AST | None,
        new: ast.AST | None,
        text: str,
        binds: frozenset[str] = NONE,
        bound: frozenset[str] = NONE,
        part_of: int | None = None,
    ) -> bool:
        """Takes one edit down and says whether its old side stands."""
        before, after = _reads(old), _reads(new)
        reads, read = after - before - binds, before - after - bound
        self.hunks.append(Hunk(text, binds, reads, bound, read, part_of))
        return len(self.hunks) - 1 in self.undone

    def module(self, old: ast.Module, new: ast.Module) -> ast.Module:
        """The module; imports are no edits: those of both sides stand, and what nobody reads goes."""
        left, right = ([one for one in tree.body if not isinstance(one, IMPORTS)] for tree in (old, new))
        body = self.block(left, right)
        docs = [one for one in body if _binds(one) == DOCSTRING]
        rest = [one for one in body if _binds(one) != DOCSTRING]
        read = _reads(ast.Module(rest, []))
        return ast.Module([*docs, *_imports((*new.body, *old.body), read), *rest], [])

    def block(self, old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements, those that bind the same name side by side where the texts differ."""
        made = [one for one in new if _binds(one) == DOCSTRING]
        old, new = ([one for one in each if _binds(one) != DOCSTRING] for each in (old, new))
        for left, right in aligned(old, new, ast.unparse):
            if left and right and ast.unparse(left[0]) == ast.unparse(right[0]):
                made += right
                continue
            for was, now in aligned(left, right, _binds):
                if was and now and _binds(was[0]) == _binds(now[0]):
                    made += [self.node(one, other) for one, other in zip(was, now, strict=True)]
                    continue
                # what went away stands before what came in its place
                for gone in was:
                    made += [gone] if self.edit(gone, None, f"- {_short(gone)}", bound=_bound(gone)) else []
                for came in now:
                    text = f"+ {_short(came)}"
                    made += [] if self.edit(None, came, text, _bound(came)) else [came]
        return made

    def node(self, old: Node, new: Node) -> Node:
        """The node, walked down where only parts of it differ."""
        if ast.dump(old) == ast.dump(new):
            return new
        if isinstance(old, ast.Dict) and isinstance(new, ast.Dict):
            entries: Node = self.entries(old, new)
            return entries
        if not _alike(old, new):
            undone = self.edit(old, new, f"{_short(old)} → {_short(new)}")
            new = self.reduced(new, ast.dump(old), len(self.hunks) - 1)
            return old if undone else new
        made: Node = deepcopy(new)
        for name in new._fields:
            was, now = getattr(old, name), getattr(new, name)
            if name in BLOCKS and isinstance(now, list):
                left = self.block(was, now)
                setattr(made, name, left or ([ast.Pass()] if name == "body" else []))
            elif isinstance(now, list):
                setattr(made, name, [self.child(a, b, new) for a, b in zip(was, now, strict=True)])
            else:
                setattr(made, name, self.child(was, now, new))
        return made

    def reduced(self, node: Any, old: str, whole: int) -> Any:
        """The expression without those of its operations that are undone: an operand stands for each.

        `whole` is the number of the edit that brought it in the place of `old`. Where that is a part of it,
        only what was put around it can go. Every operation is met whatever is undone, so that numbers stay
        what they are.
        """
        inside = _holds(node, old)
        left = None
        for operand in self.operands(node):
            same = ast.dump(operand) == old  # that is the whole edit undone, which has its number
            if same or (inside and not _holds(operand, old)):
                continue
            if self.edit(operand, node, _around(node, operand), part_of=whole) and left is None:
                left = operand
        made = deepcopy(node)
        parts = {ast.dump(part): self.reduced(part, old, whole) for part in _parts(node)}
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(made, name, [_in(parts, one) for one in value])
            elif isinstance(value, ast.expr):
                setattr(made, name, _in(parts, value))
        return made if left is None else parts[ast.dump(left)]

    def operands(self, node: ast.expr) -> list[ast.expr]:
        """The operands of an operation that may stand for it: all but numbers and masks."""
        kept = []
        for part in _parts(node):
            names = {one.id for one in ast.walk(part) if isinstance(one, ast.Name)} - {self.constants}
            modules = {one.value.id for one in ast.walk(part)
                       if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name)}  # fmt: skip
            if names - modules and not isinstance(part, ast.Compare | ast.BoolOp):
                kept.append(part)
        return kept

    def child(self, old: Any, new: Any, parent: ast.AST) -> Any:
        if isinstance(old, OPERATORS) and type(old) is not type(new):
            return old if self.edit(None, None, f"operator of {_short(parent)}") else new
        return self.node(old, new) if isinstance(new, ast.AST) else new

    def entries(self, old: ast.Dict, new: ast.Dict) -> Any:
        """The dict, entry by entry under equal keys; keys that came stand last where they are undone."""
        was = {ast.unparse(key): (key, value) for key, value in zip(old.keys, old.values, strict=True) if key}
        made = ast.Dict([], [])
        for key, value in zip(new.keys, new.values, strict=True):
            name = ast.unparse(key) if key else "**"
            _, before = was.pop(name, (None, None))
            if before is None:
                if self.edit(None, value, f"+ {name}: {_short(value)}", _keys(key)):
                    continue
            elif ast.dump(before) != ast.dump(value):
                text = f"{name}: {_short(before)} → {_short(value)}"
                value = before if self.edit(before, value, text) else value
            made.keys.append(key)
            made.values.append(value)
        for name, (key, value) in was.items():
            if self.edit(value, None, f"- {name}: {_short(value)}", bound=_keys(key)):
                made.keys.append(key)
                made.values.append(value)
        return made


def hunks(old: str, new: str, constants: str = "") -> tuple[Hunk, ...]:
    """The edits from the old program to the new one, in the order of the program. SyntaxError: no Python.

    `constants` is the name by which both read their named numbers, which stand for no operation.
    """
    walk = _Walk(frozenset(), constants)
    walk.module(ast.parse(old), ast.parse(new))
    return tuple(walk.hunks)


def undo(old: str, new: str, undone: frozenset[int], constants: str = "") -> str:
    """The new program with these of its hunks undone, laid out anew; comments are lost."""
    made = _Walk(undone, constants).module(ast.parse(old), ast.parse(new))
    return ast.unparse(ast.fix_missing_locations(made)) + "\n"


def together(found: Sequence[Hunk], number: int) -> frozenset[int]:
    """The numbers that must be undone with this one, itself included.

    Those that read what goes with it, and those that took away what its old side reads.
    """
    chosen = {number}
    while True:
        gone = frozenset().union(*(found[one].binds for one in chosen))
        needed = frozenset().union(*(found[one].read for one in chosen))
        more = {place for place, one in enumerate(found) if one.reads & gone or one.bound & needed} - chosen
        if not more:
            return frozenset(chosen)
        chosen |= more


def aligned(
    old: Sequence[Item], new: Sequence[Item], key: Callable[[Item], str]
) -> Iterator[tuple[Sequence[Item], Sequence[Item]]]:
    """Runs of both, side by side: those of equal keys, a pair at a time, and what differs between them."""
    was, now = [key(one) for one in old], [key(one) for one in new]
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from (([old[i]], [new[j]]) for i, j in zip(range(i1, i2), range(j1, j2), strict=True))
        else:
            yield old[i1:i2], new[j1:j2]


def _binds(node: ast.stmt) -> str:
    """What a statement is known by: the names that it binds, or what kind of statement it is."""
    match node:
        case ast.Assign(targets=targets):
            return ", ".join(map(ast.unparse, targets))
        case ast.FunctionDef(name=name):
            return f"def {name}"
        case ast.Expr(value=ast.Constant(value=str())):
            return DOCSTRING
        case _:
            return type(node).__name__


def _alike(old: ast.AST, new: ast.AST) -> bool:
    """Whether two nodes can be compared part by part: one kind, one shape, at least one part in common."""
    if type(old) is not type(new) or isinstance(old, LEAVES):
        return False
    pairs = []
    for name in new._fields:
        was, now = getattr(old, name), getattr(new, name)
        if name in BLOCKS and isinstance(now, list):
            continue
        if isinstance(was, list) and isinstance(now, list):
            if len(was) != len(now):
                return False
            pairs += list(zip(was, now, strict=True))
        elif isinstance(was, ast.AST) and isinstance(now, ast.AST):
            pairs.append((was, now))
        elif was != now:
            return False
    parts = [pair for pair in pairs if not isinstance(pair[1], ast.expr_context)]
    return len(parts) < 2 or isinstance(new, ast.stmt) or any(ast.dump(a) == ast.dump(b) for a, b in parts)


def _parts(node: ast.expr) -> list[ast.expr]:
    """What an operation works on; nothing where the node is none."""
    match node:
        case ast.BinOp():
            return [node.left, node.right]
        case ast.UnaryOp():
            return [node.operand]
        case ast.Call():
            return list(node.args)
        case _:
            return []


def _around(node: ast.expr, operand: ast.expr) -> str:
    """The operation on one line, with dots for this operand."""
    return _short(_Dots(ast.dump(operand)).visit(deepcopy(node)))


class _Dots(ast.NodeTransformer):
    """Puts dots in the place of an expression."""

    def __init__(self, dumped: str) -> None:
        self.dumped = dumped

    def visit(self, node: ast.AST) -> Any:
        """The node, or dots."""
        return ast.Name("…") if ast.dump(node) == self.dumped else self.generic_visit(node)


def _holds(node: ast.AST, old: str) -> bool:
    """Whether an expression is a part of the node."""
    return any(ast.dump(part) == old for part in ast.walk(node))


def _in(parts: Mapping[str, ast.expr], node: Any) -> Any:
    """What stands for the node now."""
    return parts.get(ast.dump(node), node) if isinstance(node, ast.expr) else node


def _bound(node: ast.stmt) -> frozenset[str]:
    if isinstance(node, ast.FunctionDef):
        return frozenset({node.name})
    names = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return frozenset(one.id for one in names if isinstance(one.ctx, ast.Store))


def _imports(body: Sequence[ast.stmt], read: frozenset[str]) -> list[ast.stmt]:
    """The imports of a body whose names are read, each once."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, IMPORTS):
            names = {(each.asname or each.name).partition(".")[0] for each in node.names}
            if names & read:
                found.setdefault(ast.unparse(node), node)
    return list(found.values())


def _keys(node: ast.expr | None) -> frozenset[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return frozenset({repr(node.value)})
    return frozenset()


def _reads(node: ast.AST | None) -> frozenset[str]:
    """The names read, and the keys as Python writes them."""
    found = set()
    for part in ast.walk(node) if node else ():
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            found.add(part.id)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            found.add(repr(part.value))
    return frozenset(found)


def _short(node: ast.AST) -> str:
    """The text of a node on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else text[:99] + "…"
