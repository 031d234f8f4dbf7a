"""What changed from one program to another, in one short line for prompts."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..north_star.ast_diff import aligned

Body = Sequence[ast.stmt]
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def difference(before: str, after: str, limit: int = 240) -> str:
    """The changed expressions, each with the place that it stands in; at most `limit` characters.

    `update: torch.sqrt(square) → torch.abs(mean); + mean = 0.9 * mean`. Comments, docstrings and layout do
    not count. Lines are compared instead where a text is no Python.
    """
    try:
        changes = list(_module(ast.parse(before), ast.parse(after)))
    except UNPARSABLE:
        changes = list(_lines(before.splitlines(), after.splitlines()))
    text = "; ".join(" ".join(change.split()) for change in changes) or "no change of syntax"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _module(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """The changes by name of constant and function."""
    old, new = (_parts(tree) for tree in (before, after))
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield f"- {name}"
        elif name not in old:
            yield f"+ {ast.unparse(new[name])}"
        elif isinstance(old[name], ast.FunctionDef) and isinstance(new[name], ast.FunctionDef):
            yield from _function(old[name], new[name], name)
        else:
            yield from _under(name, _pair(old[name], new[name]))


def _parts(tree: ast.Module) -> dict[str, ast.stmt]:
    """The statements of a module by the name that they bind; what binds none goes by its text."""
    parts: dict[str, ast.stmt] = {}
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                parts[name] = node
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case _:
                parts[ast.unparse(node)] = node
    return parts


def _function(old: ast.stmt, new: ast.stmt, name: str) -> Iterator[str]:
    assert isinstance(old, ast.FunctionDef)
    assert isinstance(new, ast.FunctionDef)
    if (was := ast.unparse(old.args)) != (now := ast.unparse(new.args)):
        yield f"{name}({was}) → {name}({now})"
    yield from _under(name, _body(old.body, new.body))


def _under(name: str, changes: Iterable[str]) -> Iterator[str]:
    """The changes, the first of them headed by the name."""
    for number, change in enumerate(changes):
        yield change if number else f"{name}: {change}"


def _body(old: Body, new: Body) -> Iterator[str]:
    """The changes from statement to statement."""
    for was, now in aligned(old, new, ast.unparse):
        if len(was) == len(now):
            for one, other in zip(was, now, strict=True):
                yield from _pair(one, other)
        else:
            yield from _unequal(was, now)


def _unequal(old: Body, new: Body) -> Iterator[str]:
    """The changes between runs of unequal length: statements that bind the same name belong together."""
    waiting = {_binds(one): one for one in old}
    for one in new:
        before = waiting.pop(_binds(one), None)
        if before is None:
            yield f"+ {ast.unparse(one)}"
        else:
            yield from _pair(before, one)
    yield from (f"- {ast.unparse(one)}" for one in waiting.values())


def _binds(node: ast.stmt) -> str:
    match node:
        case ast.Assign(targets=targets):
            return ", ".join(map(ast.unparse, targets))
        case ast.Return():
            return "return"
        case _:
            return ast.unparse(node)


def _pair(old: ast.AST, new: ast.AST) -> Iterator[str]:
    """The smallest part of a node in which all of its change lies."""
    if ast.dump(old) == ast.dump(new):
        return
    if isinstance(old, ast.Dict) and isinstance(new, ast.Dict):
        yield from _entries(old, new)
        return
    inner = _inner(old, new)
    if inner is None:
        yield f"{ast.unparse(old)} → {ast.unparse(new)}"
    elif isinstance(inner[0], list):
        yield from _body(*inner)
    else:
        yield from _pair(*inner)


def _entries(old: ast.Dict, new: ast.Dict) -> Iterator[str]:
    was, now = (
        {_key(key): ast.unparse(value) for key, value in zip(one.keys, one.values, strict=True)}
        for one in (old, new)
    )
    for key in [*was, *(key for key in now if key not in was)]:
        if key not in now:
            yield f"- {key}"
        elif key not in was:
            yield f"+ {key} = {now[key]}"
        elif was[key] != now[key]:
            yield f"{key} {was[key]} → {now[key]}"


def _key(node: ast.expr | None) -> str:
    if node is None:
        return "**"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def _inner(
    old: ast.AST, new: ast.AST
) -> tuple[ast.AST, ast.AST] | tuple[list[ast.stmt], list[ast.stmt]] | None:
    """The one pair of children that differ, where everything else of the two nodes is equal."""
    if type(old) is not type(new) or isinstance(old, (ast.Constant, ast.Name, ast.Attribute)):
        return None
    pairs = [pair for name in old._fields for pair in _children(getattr(old, name), getattr(new, name))]
    different = [pair for pair in pairs if not _same(*pair)]
    if len(different) != 1:
        return None
    match different[0]:
        case (ast.expr() | ast.stmt() as was, ast.expr() | ast.stmt() as now):
            return was, now
        case ([ast.stmt(), *_] as was, [ast.stmt(), *_] as now):
            return was, now
        case _:
            return None


def _children(old: Any, new: Any) -> list[tuple[Any, Any]]:
    """What stands in the same place of two nodes; statements, and lists of unequal length, as a whole."""
    lists = isinstance(old, list) and isinstance(new, list) and len(old) == len(new)
    if lists and not any(isinstance(one, ast.stmt) for one in (*old, *new)):
        return list(zip(old, new, strict=True))
    return [(old, new)]


def _same(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, ast.AST) and isinstance(other, ast.AST):
        return ast.dump(one) == ast.dump(other)
    return one == other


def _lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    for was, now in aligned(before, after, str):
        if was != now:
            yield from (f"- {text}" for text in was if text.strip())
            yield from (f"+ {text}" for text in now if text.strip())
