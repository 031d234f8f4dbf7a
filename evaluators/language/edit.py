"""Edits of programs: what one is, and the tools that every edit of a syntax tree uses."""

import ast
import copy
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
Node = TypeVar("Node", bound=ast.AST)


class Unsuitable(Exception):
    """The program lacks what its kind's layout says that it has, or an edit found nothing to work on."""


@dataclass(frozen=True, slots=True)
class Edited:
    """The new text, what was changed in one line, and which of the other programs lent a part of it."""

    source: str
    words: str
    lender: int | None = None


Edit = Callable[[str, Sequence[str], np.random.Generator], Edited]
"""(text, texts of others, generator) -> Edited, a pure function. Unsuitable where nothing is to change."""


def pick(items: Sequence[Item], rng: np.random.Generator, weights: Sequence[float] | None = None) -> Item:
    """One of the items, in proportion to the weights. Unsuitable where there is none."""
    if not items:
        raise Unsuitable("nothing to choose from")
    if weights is None:
        return items[int(rng.random() * len(items))]
    totals = list(accumulate(weights))
    return items[min(bisect_right(totals, rng.random() * totals[-1]), len(items) - 1)]


def expression(text: str) -> ast.expr:
    """The tree of an expression's text."""
    return ast.parse(text, mode="eval").body


def renamed(node: Node, texts: Mapping[str, str]) -> Node:
    """A copy of a tree with names replaced by expressions; what is put in is not looked at again."""
    changed: Node = _Renaming(texts).visit(copy.deepcopy(node))
    return changed


class _Renaming(ast.NodeTransformer):
    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        text = self.texts.get(node.id)
        if text is None:
            return node
        return expression(text) if isinstance(node.ctx, ast.Load) else ast.Name(text, node.ctx)
