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
    for name in old | new:
        match old.get(name), new.get(name):
            case _, None:
                yield f"- {name}"
            case None, ast.stmt() as now:
                yield f"+ {ast.unparse(now)}"
            case ast.FunctionDef() as was, ast.FunctionDef() as now:
                if (taken := ast.unparse(was.args)) != (takes := ast.unparse(now.args)):
                    yield f"{name}({taken}) → {name}({takes})"
                yield from _under(name, _body(was.body, now.body))
            case ast.stmt() as was, ast.stmt() as now:
                yield from _under(name, _pair(was, now))


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
    for key in was | now:
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


def _inner(old: ast.AST, new: ast.AST) -> tuple[Any, Any] | None:
    """The one pair of children, nodes or lists of statements, in which all of two nodes' difference lies."""
    if type(old) is not type(new) or isinstance(old, (ast.Constant, ast.Name, ast.Attribute)):
        return None
    pairs = [pair for name in old._fields for pair in _children(getattr(old, name), getattr(new, name))]
    different = [(was, now) for was, now in pairs if _dumped(was) != _dumped(now)]
    match different:
        case [(ast.expr() | ast.stmt(), ast.expr() | ast.stmt())]:
            return different[0]
        case [([ast.stmt(), *_], [ast.stmt(), *_])]:
            return different[0]
    return None


def _children(old: Any, new: Any) -> list[tuple[Any, Any]]:
    """What stands in the same place of two nodes; statements, and lists of unequal length, as a whole."""
    lists = isinstance(old, list) and isinstance(new, list) and len(old) == len(new)
    if lists and not any(isinstance(one, ast.stmt) for one in (*old, *new)):
        return list(zip(old, new, strict=True))
    return [(old, new)]


def _dumped(part: Any) -> Any:
    if isinstance(part, list):
        return [_dumped(one) for one in part]
    return ast.dump(part) if isinstance(part, ast.AST) else part


def _lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    for was, now in aligned(before, after, str):
        if was != now:
            yield from (f"- {text}" for text in was if text.strip())
            yield from (f"+ {text}" for text in now if text.strip())
