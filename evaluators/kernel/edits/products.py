"""Edits of products: summed broadcasts against matrix units, and the types and precision of their operands.

Matrix units take tiles of 16 or more: https://triton-lang.org/main/python-api/generated/triton.language.dot.html
"""

import ast
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ...language.edit import Unsuitable, expression, pick
from .program import Place, Program, Site, is_call, keyword, place_of, replace, set_keyword, statement
from .shapes import Shapes, axis_of

LEAST = 16
"""The smallest side of an operand of tl.dot."""
PRECISIONS = ("ieee", "tf32", "tf32x3")


class _Spread(NamedTuple):
    """`base[:, None, :]`: the base and where it was made wider."""

    base: ast.expr
    gap: int
    rank: int


def _spread(node: ast.expr) -> _Spread | None:
    match node:
        case ast.Subscript(value=base, slice=ast.Tuple(elts=items)):
            gaps = [at for at, item in enumerate(items) if isinstance(item, ast.Constant)]
            plain = all(isinstance(item, (ast.Constant, ast.Slice)) for item in items)
            if plain and len(gaps) == 1 and len(items) in (3, 4):
                return _Spread(base, gaps[0], len(items))
    return None


def sum_to_dot(program: Program, rng: np.random.Generator) -> str:
    """A product of broadcast tiles that is summed over one axis becomes a tl.dot on matrix units.

    Markidis et al. 2018, https://arxiv.org/abs/1803.04014
    """
    found = []
    for site in program.calls("sum"):
        match site.call.args[0]:
            case ast.BinOp(op=ast.Mult(), left=left, right=right):
                one, other, axis = _spread(left), _spread(right), axis_of(site.call)
                if one and other and axis is not None and _multiplies(one, other, axis):
                    found.append((site, *((one, other) if other.gap < one.gap else (other, one)), axis))
    site, first, second, axis = pick(found, rng)
    before = ast.unparse(site.call)
    a = _ordered(first, (second.gap, axis))
    b = _ordered(second, (axis, first.gap))
    dot = expression(f"tl.dot({a}, {b}, input_precision='ieee')")
    replace(site.kernel, site.call, dot)
    assert isinstance(dot, ast.Call)
    grow_operands(program, site.kernel, dot)
    return f"matrix units: `{before}` -> `{ast.unparse(dot)}` in {site.kernel.name}"


def _multiplies(one: _Spread, other: _Spread, axis: int) -> bool:
    """Whether the sum over the axis is a product of matrices, with axis 0 a batch where there are four."""
    free = {one.gap, other.gap, axis}
    return one.rank == other.rank and len(free) == 3 and (one.rank == 3 or 0 not in free)


def _ordered(part: _Spread, wanted: tuple[int, int]) -> str:
    """The base's text with its last two axes in the wanted order."""
    axes = [axis for axis in range(part.rank) if axis != part.gap][-2:]
    text = ast.unparse(part.base)
    if tuple(axes) == wanted:
        return text
    return f"tl.trans({text})" if part.rank == 3 else f"tl.trans({text}, 0, 2, 1)"


def grow_operands(program: Program, kernel: ast.FunctionDef, dot: ast.Call) -> None:
    """Make the sides of a dot's operands LEAST at the least, at every launch of the kernel."""
    shapes = Shapes(kernel)
    for operand in dot.args[:2]:
        for side in (shapes.of(operand) or ())[-2:]:
            for launch in program.launches(kernel):
                value = launch.argument(side)
                if value is not None:
                    _grow(program, value, partial(launch.put, side))


def _grow(program: Program, value: ast.expr, put: Callable[[ast.expr], None]) -> None:
    match value:
        case ast.Subscript(value=ast.Name(id="CONFIG"), slice=ast.Constant(value=str(name))):
            program.tune(name, max(program.tunables()[name], LEAST))
        case ast.Constant(value=int(number)):
            put(ast.Constant(max(number, LEAST)))
        case ast.Call(func=ast.Name(id="max")):
            pass
        case _:
            put(expression(f"max({LEAST}, {ast.unparse(value)})"))


def dot_to_sum(program: Program, rng: np.random.Generator) -> str:
    """A tl.dot becomes a summed product of broadcast tiles, which fits where a side is far below 16."""
    site = pick([each for each in program.calls("dot") if _flat(program, each)], rng)
    left, right, *rest = site.call.args
    text = f"tl.sum({_wide(left)}[:, :, None] * {_wide(right)}[None, :, :], axis=1)"
    if rest:
        text = f"{ast.unparse(rest[0])} + {text}"
    before = ast.unparse(site.call)
    replace(site.kernel, site.call, expression(text))
    return f"no matrix units: `{before}` -> `{text}` in {site.kernel.name}"


def _flat(program: Program, site: Site) -> bool:
    shapes = program.shapes(site.kernel)
    return all(len(shapes.of(operand) or ()) == 2 for operand in site.call.args[:2])


def _wide(node: ast.expr) -> str:
    text = ast.unparse(node)
    simple = isinstance(node, (ast.Name, ast.Call, ast.Subscript, ast.Attribute))
    return f"{text if simple else f'({text})'}.to(tl.float32)"


def narrow(program: Program, rng: np.random.Generator) -> str:
    """Operands of a tl.dot go in as they were loaded, not converted to float32: matrix units take 16 bits."""
    found = [
        (site, [_loaded(program, site, each) for each in site.call.args[:2]]) for site in program.calls("dot")
    ]
    site, raw = pick([(site, raw) for site, raw in found if any(raw)], rng)
    before = ast.unparse(site.call)
    done: dict[ast.expr | None, str | None] = {None: None}
    for each in raw:
        if each is not None and each not in done:
            done[each] = _named(program, site.kernel, each)
    names = [done[each] for each in raw]
    model = next((name for name in names if name), None)
    if model is None:
        raise Unsuitable("what was converted is bound more than once")
    for at, name in enumerate(names):
        operand = site.call.args[at]
        if name:
            site.call.args[at] = _around(operand, expression(name))
        elif not ast.unparse(operand).endswith(".dtype)"):
            site.call.args[at] = expression(f"({ast.unparse(operand)}).to({model}.dtype)")
    return f"operands as loaded: `{before}` -> `{ast.unparse(site.call)}` in {site.kernel.name}"


def _loaded(program: Program, site: Site, operand: ast.expr) -> ast.expr | None:
    """What was converted to float32 to make an operand, or None."""
    inner = operand.args[0] if isinstance(operand, ast.Call) and is_call(operand, "trans") else operand
    match program.definitions(site.kernel).resolved(inner):
        case ast.Call(
            func=ast.Attribute(value=value, attr="to"),
            args=[ast.Attribute(value=ast.Name(id="tl"), attr="float32")],
        ):
            return value
    return None


def _named(program: Program, kernel: ast.FunctionDef, value: ast.expr) -> str | None:
    """A local that holds the value, bound just before the statement that converts it where there is none."""
    if isinstance(value, ast.Name):
        return value.id if program.definitions(kernel).home(value.id) is not None else None
    name = program.fresh("raw")
    _, block, at = place_of(kernel, value)
    replace(block[at], value, ast.Name(name, ast.Load()))
    block.insert(at, statement(f"{name} = {ast.unparse(value)}"))
    return name


def _around(operand: ast.expr, inner: ast.expr) -> ast.expr:
    """The operand with another value inside its transposition, if it has one."""
    if isinstance(operand, ast.Call) and is_call(operand, "trans"):
        return expression(f"tl.trans({', '.join(map(ast.unparse, (inner, *operand.args[1:])))})")
    return inner


def widen(program: Program, rng: np.random.Generator) -> str:
    """Operands of a tl.dot are converted to float32 first."""
    site = pick(program.calls("dot"), rng)
    before = ast.unparse(site.call)
    if all(ast.unparse(each).endswith(".to(tl.float32)") for each in site.call.args[:2]):
        raise Unsuitable("both operands are float32")
    site.call.args[:2] = [expression(_wide(each)) for each in site.call.args[:2]]
    return f"float32 operands: `{before}` -> `{ast.unparse(site.call)}` in {site.kernel.name}"


def precision(program: Program, rng: np.random.Generator) -> str:
    """Another input_precision of a tl.dot on float32 operands; whether it is exact enough the gate says.

    https://triton-lang.org/main/python-api/generated/triton.language.dot.html
    """
    site = pick(program.calls("dot"), rng)
    now = keyword(site.call, "input_precision")
    old = str(now.value) if isinstance(now, ast.Constant) else "tf32"
    new = pick([each for each in PRECISIONS if each != old], rng)
    set_keyword(site.call, "input_precision", ast.Constant(new))
    return f"input_precision {old} -> {new} in {site.kernel.name}"


def accumulate(program: Program, rng: np.random.Generator) -> str:
    """A running sum of tl.dot goes into the dot as its accumulator, or comes out of it."""
    kernel, block, at = pick(list(_running(program)), rng)
    before = ast.unparse(block[at])
    match block[at]:
        case ast.AugAssign(target=ast.Name(id=name), value=ast.Call(args=[_, _]) as dot):
            dot.args.append(ast.Name(name, ast.Load()))
            block[at] = statement(f"{name} = {ast.unparse(dot)}")
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(args=[_, _, ast.Name()]) as dot):
            dot.args.pop()
            block[at] = statement(f"{name} += {ast.unparse(dot)}")
    return f"accumulator: `{before}` -> `{ast.unparse(block[at])}` in {kernel.name}"


def _running(program: Program) -> Iterator[Place]:
    for place in program.places():
        match place.node:
            case ast.AugAssign(op=ast.Add(), target=ast.Name(), value=ast.Call(args=[_, _]) as dot):
                if is_call(dot, "dot"):
                    yield place
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(args=[_, _, ast.Name(id=third)]) as dot
            ):
                if is_call(dot, "dot") and name == third:
                    yield place
