"""Novelty: how far apart two programs are by structure, in [0, 1], cheap enough to ask of every candidate.

A program is the multiset of the subtrees of its canonical form, cut at several depths (the features of the
Weisfeiler-Lehman kernel, Shervashidze et al. 2011, JMLR 12), and the distance is one less the weighted
Jaccard similarity of two multisets. Names of functions, parameters and keys stay; a local is known by what it
was assigned, so that renaming is no novelty. Numbers look alike to the subtrees above them, and count by
themselves, once by sign and magnitude and a little by value.
"""

import ast
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeGuard
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ....evaluators.language.canonical import canonical
from ....population.values.member import Member

Vector = NDArray[np.float32]

DEPTH = 3
"""Levels below a node that its largest feature sees."""
WIDTH = 2_048
"""Places of a feature vector; features are hashed into them."""
NUMBER = 0.25
"""Weight of a number's value, where a node and a magnitude have 1."""
WHOLE = (0, 1, 2)
"""Numbers that shape a formula: to turn one into another, or into a fraction, is more than tuning."""
LEAST = 1e-4
"""Distance of programs that differ, whatever their features."""


def nearest(source: str, population: Sequence[Member]) -> tuple[float, str]:
    """(the least distance to a member, that member's program id); (1.0, "") where there are none.

    0 for equal canonical trees and only for those, 1 for programs that share nothing. In a program of usual
    size another number is less than 0.02 away, another operator more. What is no Python is 1 away from every
    other text.
    """
    if not population:
        return 1.0, ""
    text = _text(source)
    for one in population:
        if one.source == source or (text and _text(one.source) == text):
            return 0.0, one.program_id
    far = _distances(vector(source), np.stack([vector(one.source) for one in population]))
    place = int(far.argmin())
    return float(far[place]), population[place].program_id


@lru_cache(maxsize=2048)
def vector(source: str) -> Vector:
    """The program's features, shape (WIDTH,), counts by hash; all zero for what is no Python. Read-only."""
    text = _text(source)
    features = list(_features(ast.parse(text))) if text else []
    places = np.array([feature % WIDTH for feature, _ in features], np.int64)
    weights = np.array([weight for _, weight in features], np.float64)
    vector_W: Vector = np.asarray(np.bincount(places, weights, WIDTH), np.float32)
    vector_W.flags.writeable = False
    return vector_W


def _distances(one_W: Vector, others_NW: Vector) -> Vector:
    """Weighted Jaccard distances of one vector to each of the others, none below LEAST."""
    shared_N = np.minimum(one_W, others_NW).sum(axis=1)
    whole_N = one_W.sum() + others_NW.sum(axis=1) - shared_N
    similar_N = np.divide(shared_N, whole_N, out=np.zeros_like(whole_N), where=whole_N > 0)
    far_N: Vector = np.maximum(1.0 - similar_N, np.float32(LEAST))
    return far_N


@lru_cache(maxsize=2048)
def _text(source: str) -> str:
    try:
        return canonical(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _features(tree: ast.Module) -> Iterator[tuple[int, float]]:
    """Every feature with its weight: each node at each depth, and each number's value."""
    shapes: list[int] = []
    _gather(tree, _locals(tree), shapes)
    yield from ((shape, 1.0) for shape in shapes)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and _is_number(node.value):
            yield _hash(f"magnitude {magnitude(node.value)}"), 1.0
            yield _hash(f"value {node.value!r}"), NUMBER


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _gather(node: ast.AST, locals_: dict[str, str], shapes: list[int]) -> list[int]:
    """The node's features, one for each depth, which are put into `shapes` with those of all below it."""
    parts = [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.expr_context)]
    below = [_gather(part, locals_, shapes) for part in parts]
    own = [label := _label(node, locals_)]
    for depth in range(DEPTH):
        own.append(_hash(f"{label}({' '.join(str(each[depth]) for each in below)})"))
    shapes += own
    return own


def _locals(tree: ast.Module) -> dict[str, str]:
    """What each assigned name holds: the kind of the expression first assigned to it, and what that names."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named = sorted(
                part.attr if isinstance(part, ast.Attribute) else str(part.value)
                for part in ast.walk(node.value)
                if isinstance(part, ast.Attribute)
                or (isinstance(part, ast.Constant) and isinstance(part.value, str))
            )
            found.setdefault(node.targets[0].id, f"{type(node.value).__name__} {' '.join(named)}")
    return found


def _label(node: ast.AST, locals_: dict[str, str]) -> int:
    """What the node is, without what is below it."""
    kind = type(node).__name__
    match node:
        case ast.Name(id=name):
            return _hash(f"{kind} {locals_.get(name, name)}")
        case (
            ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=name) | ast.FunctionDef(name=name)
        ):
            return _hash(f"{kind} {name}")
        case ast.Constant(value=value):
            return _hash("number" if _is_number(value) and value not in WHOLE else f"{kind} {value!r}")
    return _hash(kind)


def magnitude(number: float) -> str:
    """The class of a number: small whole numbers by themselves, others by sign and power of ten.

    Numbers close below one differ by their distance to it: 0.9 and 0.999 are of different classes.
    """
    if number in WHOLE:
        return str(int(number))
    if not math.isfinite(number):
        return "infinite"
    size = abs(number)
    if 0.5 <= size < 1:
        return f"{'-' if number < 0 else ''}1-e{math.floor(math.log10(1 - size) + 1e-9)}"
    return f"{'-' if number < 0 else ''}e{math.floor(math.log10(size) + 1e-9)}"


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass"))
