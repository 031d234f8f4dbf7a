"""Edits of masks: what is not held back where nothing lies beyond, or where what lies beyond does no harm."""

import ast
from collections.abc import Iterator, Sequence

import numpy as np

from ...language.edit import Unsuitable, expression, pick, renamed
from .program import Place, Program, is_call, keyword, read, set_keyword, shown


def even(program: Program, rng: np.random.Generator) -> str:
    """Where a dimension fills its tile, loads have no mask for it: a constexpr switch that the launch sets.

    The EVEN_K heuristic of Triton's matrix multiplication, https://github.com/triton-lang/kernels
    """
    launched, found = program.launched(), []
    for place, call in _masked(program):
        for part, left, end in _ends(call) if place.kernel in launched else ():
            sides = [side for side in program.shapes(place.kernel).of(left) or () if side != "1"]
            launches = program.launches(place.kernel)
            if len(sides) == 1 and all(each.text(end) and each.text(sides[0]) for each in launches):
                found.append((place, part, sides[0], end))
    (kernel, block, at), part, side, end = pick(found, rng)
    switch = program.fresh(f"EVEN_{end}")
    program.extend(kernel, switch, lambda launch: f"({launch.text(end)}) % ({launch.text(side)}) == 0")
    bare = renamed(block[at], {})
    (plain,) = [
        each for each in ast.walk(bare) if isinstance(each, ast.Call) and is_call(each, "load", "store")
    ]
    mask = _conjuncts(keyword(plain, "mask"))
    _keep(plain, [each for each in mask if ast.unparse(each) != ast.unparse(part)])
    block[at] = ast.If(ast.Name(switch, ast.Load()), [bare], [block[at]])
    return f"no mask `{shown(part)}` where {end} fills its tiles in {kernel.name}"


def _masked(program: Program) -> Iterator[tuple[Place, ast.Call]]:
    """The statements of kernels that are one masked load or store, and its call."""
    for place in program.places():
        if isinstance(place.node, (ast.Assign, ast.Expr)):
            nodes = ast.walk(place.node)
            calls = [n for n in nodes if isinstance(n, ast.Call) and is_call(n, "load", "store")]
            if len(calls) == 1 and keyword(calls[0], "mask") is not None:
                yield place, calls[0]


def _ends(call: ast.Call) -> Iterator[tuple[ast.expr, ast.expr, str]]:
    """(`index < end`, index, end) for each such condition of a mask."""
    for part in _conjuncts(keyword(call, "mask")):
        match part:
            case ast.Compare(left=left, ops=[ast.Lt()], comparators=[ast.Name(id=end)]):
                yield part, left, end


def _keep(call: ast.Call, conditions: Sequence[ast.expr]) -> None:
    """Leave these conditions alone in a call's mask, and no mask where there are none."""
    text = " & ".join(f"({ast.unparse(each)})" for each in conditions)
    set_keyword(call, "mask", expression(text) if conditions else None)
    if not conditions:
        set_keyword(call, "other", None)


def _conjuncts(node: ast.expr | None) -> list[ast.expr]:
    match node:
        case ast.BinOp(op=ast.BitAnd(), left=left, right=right):
            return [*_conjuncts(left), *_conjuncts(right)]
        case None:
            return []
    return [node]


def wrap_index(program: Program, rng: np.random.Generator) -> str:
    """An index taken modulo its end in a load in place of a mask: rows beyond the end repeat others, and the
    store leaves them out.

    Triton's matrix multiplication tutorial,
    https://triton-lang.org/main/getting-started/tutorials/03-matrix-multiplication.html
    """
    found = []
    for place, call in _masked(program):
        for part, left, end in _ends(call) if is_call(call, "load") else ():
            names = [n.id for n in ast.walk(left) if isinstance(n, ast.Name)]
            if len(names) == 1:
                found.append((place.kernel, call, part, names[0], end))
    kernel, call, part, name, end = pick(found, rng)
    pointer = call.args[0]
    if name not in read(pointer):
        raise Unsuitable("the address does not name the index")
    call.args[0] = renamed(pointer, {name: f"({name} % {end})"})
    _keep(call, [each for each in _conjuncts(keyword(call, "mask")) if each is not part])
    return f"`{name} % {end}` in place of a mask of `{shown(pointer)}` in {kernel.name}"
