"""Edits of numbers: named constants and literals moved by a little or by a factor, within their bounds."""

import ast
import math
from collections.abc import Sequence

import numpy as np

from ....evaluators.language.edit import Unsuitable, expression, pick
from ...loop.proposer import Parent
from .edits import Change
from .tree import ProgramTree

_LITTLE = 0.35
"""Standard deviation of the logarithm of a small move."""
_FACTORS = (0.1, 0.3, 3.0, 10.0)


def moved(value: float, bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """A number near `value` or a factor away from it, in the bounds and with few digits.

    What lies between 0.5 and 1 moves by its distance to 1, as decay rates do; zero moves to a small number.
    Unsuitable where rounding or a bound brings it back to where it was.
    """
    factor = math.exp(rng.normal(0.0, _LITTLE)) if rng.random() < 0.6 else pick(_FACTORS, rng)
    if value == 0:
        new = 10.0 ** rng.uniform(-4.0, -1.0)
    elif 0.5 < value < 1.0:
        new = 1.0 - float(f"{min((1.0 - value) * factor, 0.9):.2g}")
    else:
        new = value * factor
    low, high = bounds
    new = float(f"{min(max(new, low), high):.6g}" if 0.5 < new < 1.0 else f"{min(max(new, low), high):.2g}")
    if new == value:
        raise Unsuitable("the number stays what it is")
    return new


def scale_constant(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Another value of a named constant."""
    constants = tree.constants()
    key = pick(list(constants), rng)
    old = constants[key]
    new = moved(old, tree.layout.bounds_of(key, old), rng)
    if tree.layout.fixed and isinstance(old, int) and old >= 1:  # a size
        new = max(1, round(new))
        if new == old:
            raise Unsuitable("the size stays what it is")
    tree.set_constant(key, new)
    return Change(f"scaled {tree.layout.constants} `{key}` from {old!r} to {new!r}")


def scale_literal(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Another value of a number in the code."""
    sites = [each for each in tree.types().sites if isinstance(each.node, ast.Constant)]
    site = pick(sites, rng)
    old = float(site.text)
    new = moved(old, tree.layout.bounds_of("", old), rng)
    site.put(expression(repr(new)))
    return Change(f"scaled the number {site.text} to {new!r} in `{_line(site.statement)}`")


def _line(statement: ast.stmt) -> str:
    return ast.unparse(statement).partition("\n")[0]
