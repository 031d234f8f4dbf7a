"""Edits of loops: a tile in pieces or whole, how the compiler runs the loop, and what need not be in it."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...language.edit import Unsuitable, expression, pick, renamed
from .config import choices
from .products import LEAST
from .program import Program, bound, read, statement, stores, touches_memory

RANGES = ("range", "tl.range", "tl.static_range")


class _Loop(NamedTuple):
    kernel: ast.FunctionDef
    block: list[ast.stmt]
    node: ast.For
    head: ast.Call


def _loops(program: Program) -> Iterator[_Loop]:
    for kernel, block, at in program.places():
        match node := block[at]:
            case ast.For(iter=ast.Call() as head) if ast.unparse(head.func) in RANGES:
                yield _Loop(kernel, block, node, head)


def whole(program: Program, rng: np.random.Generator) -> str:
    """A loop over the blocks of a dimension becomes one tile as wide as the dimension: fewer, wider loads.

    The tile becomes the next power of two at the launch, as in Triton's fused softmax tutorial,
    https://triton-lang.org/main/getting-started/tutorials/02-fused-softmax.html
    """
    found = []
    for loop in _loops(program):
        match loop.head.args, loop.node.target:
            case [ast.Constant(value=0), ast.Name(id=end), ast.Name(id=step)], ast.Name(id=start):
                sizes = [launch.text(end) for launch in program.launches(loop.kernel)]
                if sizes and all(sizes):
                    found.append((loop, end, step, start))
    loop, end, step, start = pick(found, rng)
    for launch in program.launches(loop.kernel):
        launch.put(step, expression(f"max({LEAST}, triton.next_power_of_2({launch.text(end)}))"))
    at = loop.block.index(loop.node)
    loop.block[at : at + 1] = [_without_zero(renamed(node, {start: "0"})) for node in loop.node.body]
    return f"the whole of {end} in one tile in place of a loop over {step} in {loop.kernel.name}"


class _Zero(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.BinOp(left=ast.Constant(value=0), op=ast.Add(), right=other):
                return other
            case ast.BinOp(left=other, op=ast.Add(), right=ast.Constant(value=0)):
                return other
        return node


def _without_zero(node: ast.stmt) -> ast.stmt:
    changed: ast.stmt = _Zero().visit(node)
    return changed


def pieces(program: Program, rng: np.random.Generator) -> str:
    """A tile that spans a whole dimension is worked through in blocks: fewer registers, no spills.

    The inverse of `whole`. What is reduced over the dimension becomes a running sum.
    """
    found = []
    for kernel in program.launched():
        for at, node in enumerate(kernel.body):
            match node:
                case ast.Assign(
                    targets=[ast.Name(id=name)],
                    value=ast.Call(args=[ast.Constant(value=0), ast.Name(id=side)]),
                ) if ast.unparse(node.value).startswith("tl.arange("):
                    uses = [n for n in ast.walk(kernel) if isinstance(n, ast.Name) and n.id == side]
                    if (end := _end_of(program, kernel, side)) and len(uses) == 1:
                        found.append((kernel, at, name, side, end))
    kernel, at, name, side, end = pick(found, rng)
    head, body, sums, tail = _parted(program, kernel, at, name, side)
    start = program.fresh("start")
    key = program.fresh(f"BLOCK_{end}" if end.isidentifier() else "BLOCK")
    allowed = [value for value in choices(key) if 16 <= value <= 128]
    program.tune(key, pick(allowed, rng))
    for launch in program.launches(kernel):
        launch.put(side, expression(f"CONFIG[{key!r}]"))
    tile = statement(f"{name} = {start} + tl.arange(0, {side})")
    turns = expression(f"range(0, {end}, {side})")
    loop = ast.For(ast.Name(start, ast.Store()), turns, [tile, *body], [])
    kernel.body[at:] = [*head, *sums, loop, *tail]
    return f"{end} in blocks of {side} in place of one tile in {kernel.name}"


def _end_of(program: Program, kernel: ast.FunctionDef, side: str) -> str:
    """The parameter whose next power of two every launch gives for a side, or nothing."""
    ends: set[str] = set()
    for launch in program.launches(kernel):
        sizes = [
            ast.unparse(node.args[0])
            for node in ast.walk(launch.argument(side) or ast.Constant(0))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "triton.next_power_of_2"
        ]
        given = [a.arg for a in kernel.args.args if sizes and launch.text(a.arg) == sizes[0]]
        ends |= {*given} or {""}
    return next(iter(ends)) if len(ends) == 1 else ""


def _parted(
    program: Program, kernel: ast.FunctionDef, at: int, name: str, side: str
) -> tuple[list[ast.stmt], ...]:
    """(statements that do not depend on the side, those of the loop, starts of its sums, those after it)."""
    inside, after = {name}, set[str]()
    parts: tuple[list[ast.stmt], ...] = ([], [], [], [])
    head, body, sums, tail = parts
    for node in kernel.body[at + 1 :]:
        used = read(node)
        if used & after:
            if used & inside:
                raise Unsuitable("what is reduced meets what is not")
            tail.append(node)
            after |= bound(node)
        elif not used & inside:
            (tail if stores(node) and tail else head).append(node)
        elif isinstance(node, ast.Expr):
            body.append(node)
        else:
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    shape = program.shapes(kernel).known.get(target)
                case _:
                    raise Unsuitable("something else than a local is bound")
            if shape is None:
                raise Unsuitable("the text does not tell every shape")
            if side in shape:
                inside.add(target)
                body.append(node)
            else:
                total = ", ".join(shape) + ("," if len(shape) == 1 else "")
                sums.append(statement(f"{target} = tl.zeros(({total}), tl.float32)"))
                body.append(statement(f"{target} += {ast.unparse(value)}"))
                after.add(target)
    if not body or any(bound(node) & inside for node in head):
        raise Unsuitable("nothing would be in the loop")
    return parts


def pipeline(program: Program, rng: np.random.Generator) -> str:
    """Another way to run a loop: plain, software-pipelined by so many stages, or unrolled when compiled.

    https://triton-lang.org/main/python-api/generated/triton.language.range.html
    """
    loop = pick(list(_loops(program)), rng)
    old = ast.unparse(loop.head)
    plain = ", ".join(map(ast.unparse, loop.head.args))
    fixed = all(isinstance(each, ast.Constant) or _is_constexpr(loop.kernel, each) for each in loop.head.args)
    texts = [f"range({plain})", *(f"tl.range({plain}, num_stages={stages})" for stages in (2, 3, 4))]
    texts += [f"tl.static_range({plain})"] if fixed else []
    new = pick([text for text in texts if text != old], rng)
    loop.node.iter = expression(new)
    return f"loop `{old}` -> `{new}` in {loop.kernel.name}"


def _is_constexpr(kernel: ast.FunctionDef, node: ast.expr) -> bool:
    known = {a.arg for a in kernel.args.args if a.annotation and "constexpr" in ast.unparse(a.annotation)}
    return isinstance(node, ast.Name) and node.id in known


def hoist(program: Program, rng: np.random.Generator) -> str:
    """A statement whose value is the same in every turn of a loop, even a load, goes before the loop."""
    found = []
    for loop in _loops(program):
        changing = bound(loop.node)
        for node in loop.node.body:
            fixed = isinstance(node, ast.Assign) and not (read(node) & changing)
            once = sum(bound(other) & bound(node) != set() for other in loop.node.body) == 1
            safe = not touches_memory(node) or not any(map(stores, loop.node.body))
            if fixed and once and safe and len(loop.node.body) > 1:
                found.append((loop, node))
    loop, node = pick(found, rng)
    loop.node.body.remove(node)
    loop.block.insert(loop.block.index(loop.node), node)
    return f"`{ast.unparse(node)}` before the loop in {loop.kernel.name}"


def sink(program: Program, rng: np.random.Generator) -> str:
    """A statement that only a loop needs is computed anew in every turn: fewer registers before it."""
    found = []
    for loop in _loops(program):
        at = loop.block.index(loop.node)
        elsewhere = {name for node in loop.block if node is not loop.node for name in read(node)}
        for node in loop.block[:at]:
            plain = isinstance(node, ast.Assign) and not touches_memory(node)
            only = bound(node) & read(loop.node) and not bound(node) & (
                elsewhere | bound(loop.node) | read(loop.head)
            )
            if plain and only:
                found.append((loop, node))
    loop, node = pick(found, rng)
    loop.block.remove(node)
    loop.node.body.insert(0, node)
    return f"`{ast.unparse(node)}` inside the loop in {loop.kernel.name}"


def inline(program: Program, rng: np.random.Generator) -> str:
    """A local that is read once is written out where it is read."""
    found = []
    for kernel in program.kernels.values():
        reads = [n for n in ast.walk(kernel) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        for node in reads:
            home = program.definitions(kernel).home(node.id)
            alone = sum(each.id == node.id for each in reads) == 1
            if home and alone and not touches_memory(home[0]):
                first, block = home
                at = block.index(first)
                if at + 1 < len(block) and any(each is node for each in ast.walk(block[at + 1])):
                    found.append((kernel, block, at, node.id, first.value))
    kernel, block, at, name, value = pick(found, rng)
    block[at : at + 2] = [renamed(block[at + 1], {name: f"({ast.unparse(value)})"})]
    return f"`{name}` written out in {kernel.name}"
