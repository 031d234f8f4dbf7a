"""Definitions: where a kernel binds a local, and whether what is bound there still holds where it is read."""

import ast

from .program import blocks, bound


class Definitions:
    """The assignments of a kernel by the local that they bind."""

    def __init__(self, kernel: ast.FunctionDef) -> None:
        self._places: dict[str, list[tuple[ast.stmt, list[ast.stmt]]]] = {}
        for block in blocks(kernel):
            for node in block:
                if isinstance(node, (ast.Assign, ast.AugAssign)):
                    for name in bound(node):
                        self._places.setdefault(name, []).append((node, block))
                elif isinstance(node, ast.For) and isinstance(node.target, ast.Name):
                    self._places.setdefault(node.target.id, []).append((node, block))

    def value(self, name: str) -> ast.expr | None:
        """What a local is bound to, None where it is bound more than once, in a loop head or not at all."""
        found = self._places.get(name, [])
        if len(found) == 1 and isinstance(found[0][0], ast.Assign):
            return found[0][0].value
        return None

    def home(self, name: str) -> tuple[ast.Assign, list[ast.stmt]] | None:
        """The only assignment of a local and the block that it stands in."""
        found = self._places.get(name, [])
        if len(found) == 1 and isinstance(found[0][0], ast.Assign):
            return found[0][0], found[0][1]
        return None

    def resolved(self, node: ast.expr) -> ast.expr:
        """The expression behind a chain of locals that are bound once, or the node itself."""
        seen = 0
        while isinstance(node, ast.Name) and (value := self.value(node.id)) is not None and seen < 20:
            node, seen = value, seen + 1
        return node


def statement_of(kernel: ast.FunctionDef, part: ast.AST) -> tuple[ast.stmt, list[ast.stmt]]:
    """The innermost statement that holds a node, and its block."""
    found: tuple[ast.stmt, list[ast.stmt]] | None = None
    for block in blocks(kernel):
        for node in block:
            if any(each is part for each in ast.walk(node)):
                found = node, block
    assert found is not None
    return found
