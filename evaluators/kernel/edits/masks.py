"""Edits of masks: what is not held back where nothing lies beyond, or where what lies beyond does no harm."""

import ast
from collections.abc import Iterator, Sequence

import numpy as np

from ...language.edit import Unsuitable, expression, pick, renamed
from .program import Program, blocks, is_call, keyword, read, set_keyword, shown
from .shapes import Shapes


def even(program: Program, rng: np.random.Generator) -> str:
    """Where a dimension fills its tile, loads have no mask for it: a constexpr switch that the launch sets.

    The EVEN_K heuristic of Triton's matrix multiplication, https://github.com/triton-lang/kernels
    """
    found = []
    for kernel in program.launched():
        for node in _masked(kernel):
            found += [(kernel, *node, *each) for each in _bounds(program, kernel, node[2])]
    kernel, block, at, _, part, side, end = pick(found, rng)
    switch = program.fresh(f"EVEN_{end}")
    kernel.args.args.append(ast.arg(switch, expression("tl.constexpr")))
    for launch in program.launches(kernel.name):
        size, tile = launch.argument(end, kernel), launch.argument(side, kernel)
        assert size is not None
        assert tile is not None
        test = f"({ast.unparse(size)}) % ({ast.unparse(tile)}) == 0"
        launch.put(switch, expression(test), kernel)
    old = block[at]
    bare = renamed(old, {})
    (plain,) = [
        each for each in ast.walk(bare) if isinstance(each, ast.Call) and is_call(each, "load", "store")
    ]
    mask = keyword(plain, "mask")
    rest = [each for each in _conjuncts(mask) if ast.unparse(each) != ast.unparse(part)]
    set_keyword(plain, "mask", _joined(rest))
    if not rest:
        set_keyword(plain, "other", None)
    branch = ast.If(ast.Name(switch, ast.Load()), [bare], [old])
    block[at] = branch
    return f"no mask `{shown(part)}` where {end} fills its tiles in {kernel.name}"


def _masked(kernel: ast.FunctionDef) -> Iterator[tuple[list[ast.stmt], int, ast.Call]]:
    """(block, index, call) of the statements that are one masked load or store."""
    for block in blocks(kernel):
        for at, node in enumerate(block):
            if isinstance(node, (ast.Assign, ast.Expr)):
                calls = [n for n in ast.walk(node) if isinstance(n, ast.Call) and is_call(n, "load", "store")]
                if len(calls) == 1 and keyword(calls[0], "mask") is not None:
                    yield block, at, calls[0]


def _bounds(program: Program, kernel: ast.FunctionDef, call: ast.Call) -> Iterator[tuple[ast.expr, str, str]]:
    """(conjunct, side, end) where the mask holds back what is beyond a dimension's end."""
    shapes = Shapes(kernel)
    for part in _conjuncts(keyword(call, "mask")):
        match part:
            case ast.Compare(left=left, ops=[ast.Lt()], comparators=[ast.Name(id=end)]):
                sides = [side for side in shapes.of(left) or () if side != "1"]
                if len(sides) == 1 and all(
                    launch.argument(end, kernel) and launch.argument(sides[0], kernel)
                    for launch in program.launches(kernel.name)
                ):
                    yield part, sides[0], end


def _conjuncts(node: ast.expr | None) -> list[ast.expr]:
    match node:
        case ast.BinOp(op=ast.BitAnd(), left=left, right=right):
            return [*_conjuncts(left), *_conjuncts(right)]
        case None:
            return []
    return [node]


def _joined(parts: Sequence[ast.expr]) -> ast.expr | None:
    if not parts:
        return None
    return expression(" & ".join(f"({ast.unparse(part)})" for part in parts))


def wrap_index(program: Program, rng: np.random.Generator) -> str:
    """An index taken modulo its end in a load in place of a mask: rows beyond the end repeat others, and the
    store leaves them out.

    Triton's matrix multiplication tutorial,
    https://triton-lang.org/main/getting-started/tutorials/03-matrix-multiplication.html
    """
    found = []
    for kernel in program.kernels.values():
        for _block, _at, call in _masked(kernel):
            if is_call(call, "load"):
                for part in _conjuncts(keyword(call, "mask")):
                    match part:
                        case ast.Compare(left=left, ops=[ast.Lt()], comparators=[ast.Name(id=end)]):
                            names = [n.id for n in ast.walk(left) if isinstance(n, ast.Name)]
                            if len(names) == 1:
                                found.append((kernel, call, part, names[0], end))
    kernel, call, part, name, end = pick(found, rng)
    pointer = call.args[0]
    if name not in read(pointer):
        raise Unsuitable("the address does not name the index")
    rest = [each for each in _conjuncts(keyword(call, "mask")) if each is not part]
    call.args[0] = renamed(pointer, {name: f"({name} % {end})"})
    set_keyword(call, "mask", _joined(rest))
    if not rest:
        set_keyword(call, "other", None)
    return f"`{name} % {end}` in place of a mask of `{shown(pointer)}` in {kernel.name}"
