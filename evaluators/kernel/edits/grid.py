"""Edits of the launch grid: how much one program does, in which order programs run, what is constant."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...language.edit import Unsuitable, expression, pick, renamed
from .program import LAUNCH_OPTIONS, Launch, Program, bound, is_call, parameters, read, statement

ROWS = (2, 4, 8)


class _Row(NamedTuple):
    """`row = tl.program_id(axis)`, perhaps made wider, at the top of a kernel."""

    kernel: ast.FunctionDef
    at: int
    name: str
    axis: int
    text: str


def _rows(program: Program) -> Iterator[_Row]:
    for kernel in program.launched():
        for at, node in enumerate(kernel.body):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    text = ast.unparse(value)
                    for axis in range(3):
                        if text in (f"tl.program_id({axis})", f"tl.program_id({axis}).to(tl.int64)"):
                            yield _Row(kernel, at, name, axis, text)


def _grid(launch: Launch) -> list[ast.expr]:
    """The sizes of a launch's grid."""
    if not isinstance(launch.grid, ast.Tuple):
        raise Unsuitable("the grid is not written out")
    return launch.grid.elts


def several_rows(program: Program, rng: np.random.Generator) -> str:
    """One program works through several neighbouring rows in a loop: fewer programs, and loads overlap.

    Thread coarsening: Kirk and Hwu, Programming Massively Parallel Processors, 2022, section 6.3.
    """
    found = []
    for row in _rows(program):
        once = row.axis == 0 and not any("ROWS" in a.arg for a in row.kernel.args.args)
        if once and "tl.num_programs" not in ast.unparse(row.kernel) and not _returns(row.kernel):
            found.append(row)
    row = pick(found, rng)
    kernel, launches = row.kernel, program.launches(row.kernel)
    count, most, step = program.fresh("ROWS"), program.fresh("rows_of_all"), program.fresh("step")
    key = program.fresh(f"ROWS_{launches[0].host.name}")
    program.tune(key, pick(ROWS, rng))
    program.extend(kernel, most, lambda launch: ast.unparse(_grid(launch)[0]), constant=False)
    program.extend(kernel, count, lambda _: f"CONFIG[{key!r}]")
    for launch in launches:
        sizes = _grid(launch)
        sizes[0] = expression(f"triton.cdiv({ast.unparse(sizes[0])}, CONFIG[{key!r}])")
    depends = {row.name}
    before, inside = list[ast.stmt](), list[ast.stmt]()
    for node in kernel.body[row.at + 1 :]:
        plain = isinstance(node, ast.Assign) and not (read(node) & depends) and not inside
        if plain and not any(bound(node) & bound(each) for each in kernel.body if each is not node):
            before.append(node)
        else:
            inside.append(node)
            depends |= bound(node)
    guard = ast.If(expression(f"{row.name} < {most}"), inside, [])
    number = statement(f"{row.name} = {row.text} * {count} + {step}")
    loop = ast.For(ast.Name(step, ast.Store()), expression(f"range({count})"), [number, guard], [])
    kernel.body[row.at :] = [*before, loop]
    return f"each program does {key} rows in a loop in {kernel.name}"


def one_row(program: Program, rng: np.random.Generator) -> str:
    """The inverse of `several_rows`: one row for each program."""
    found = []
    for kernel in program.launched():
        match kernel.body[-1]:
            case ast.For(
                iter=ast.Call(func=ast.Name(id="range"), args=[ast.Name(id=count)]),
                body=[ast.Assign(targets=[ast.Name(id=name)], value=value), ast.If(orelse=[]) as guard],
            ) if "tl.program_id(0)" in ast.unparse(value) and ast.unparse(guard.test).startswith(
                f"{name} < "
            ):
                found.append((kernel, name, value, guard, count))
    kernel, name, value, guard, count = pick(found, rng)
    match guard.test:
        case ast.Compare(comparators=[ast.Name(id=most)]):
            pass
        case _:
            raise Unsuitable("the guard is another")
    for launch in program.launches(kernel):
        _grid(launch)[0] = expression(launch.text(most))
        for gone in (most, count):
            launch.call.keywords = [each for each in launch.call.keywords if each.arg != gone]
    index = "tl.program_id(0).to(tl.int64)" if "int64" in ast.unparse(value) else "tl.program_id(0)"
    kernel.args.args = [each for each in kernel.args.args if each.arg not in (most, count)]
    if any(isinstance(n, ast.Name) and n.id in (most, count) for node in guard.body for n in ast.walk(node)):
        raise Unsuitable("the rows are counted inside")
    kernel.body[-1:] = [statement(f"{name} = {index}"), *guard.body]
    return f"each program does one row in {kernel.name}"


def _returns(kernel: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Return) for node in ast.walk(kernel))


def swap_axes(program: Program, rng: np.random.Generator) -> str:
    """The first two axes of the grid in the other order: other neighbours share the second-level cache."""
    found = []
    for kernel in program.launched():
        axes = {row.axis: row for row in _rows(program) if row.kernel is kernel}
        if {0, 1} <= axes.keys() and all(len(_grid(each)) == 2 for each in program.launches(kernel)):
            found.append((kernel, axes[0], axes[1]))
    kernel, first, second = pick(found, rng)
    for row, axis in ((first, 1), (second, 0)):
        text = row.text.replace(f"program_id({row.axis})", f"program_id({axis})")
        kernel.body[row.at] = statement(f"{row.name} = {text}")
    for launch in program.launches(kernel):
        _grid(launch).reverse()
    return f"the grid's axes swapped in {kernel.name}"


def grouped(program: Program, rng: np.random.Generator) -> str:
    """Programs of a two-dimensional grid run in groups of rows, so that what they share stays in the cache.

    Triton's matrix multiplication tutorial, L2 cache optimizations,
    https://triton-lang.org/main/getting-started/tutorials/03-matrix-multiplication.html
    """
    found = []
    for kernel in program.launched():
        axes = {row.axis: row for row in _rows(program) if row.kernel is kernel}
        flat = all(len(_grid(each)) == 2 for each in program.launches(kernel))
        if {0, 1} <= axes.keys() and flat and "tl.swizzle2d" not in ast.unparse(kernel):
            found.append((kernel, axes[0], axes[1]))
    kernel, first, second = pick(found, rng)
    size, key = program.fresh("GROUP"), program.fresh(f"GROUP_{kernel.name}")
    program.tune(key, pick((2, 4, 8), rng))
    program.extend(kernel, size, lambda _: f"CONFIG[{key!r}]")
    ids = (program.fresh("pid_m"), program.fresh("pid_n"))
    place = statement(
        f"{ids[0]}, {ids[1]} = tl.swizzle2d(tl.program_id(0), tl.program_id(1), "
        f"tl.num_programs(0), tl.num_programs(1), {size})"
    )
    for row, name in ((first, ids[0]), (second, ids[1])):
        wide = ".to(tl.int64)" if row.text.endswith(".to(tl.int64)") else ""
        kernel.body[row.at] = statement(f"{row.name} = {name}{wide}")
    kernel.body.insert(min(first.at, second.at), place)
    return f"programs run in groups of {key} in {kernel.name}"


def constant_size(program: Program, rng: np.random.Generator) -> str:
    """A size becomes a constant of the compiler, or stops being one: loops unroll, masks fold away.

    Only sizes that are the same in every call of a model may be constants: each value is compiled anew.
    """
    kernel, argument = pick([each for each in _widths(program) if each[1].annotation is None], rng)
    argument.annotation = expression("tl.constexpr")
    return f"{argument.arg} is a constant of the compiler in {kernel.name}"


def _widths(program: Program) -> Iterator[tuple[ast.FunctionDef, ast.arg]]:
    """The parameters of kernels that every launch gives a size other than that of the batch."""
    for kernel in program.launched():
        for argument in kernel.args.args:
            if all(_is_width(launch.argument(argument.arg)) for launch in program.launches(kernel)):
                yield kernel, argument


def _is_width(value: ast.expr | None) -> bool:
    """Whether a launch gives a size other than that of the batch, which differs from call to call."""
    return isinstance(value, ast.Name) and value.id.isupper() and value.id not in ("B", "N")


def variable_size(program: Program, rng: np.random.Generator) -> str:
    """A size that was a constant of the compiler is an ordinary argument again."""
    found = [each for each in _widths(program) if each[1].annotation is not None and not _fixed(*each)]
    kernel, argument = pick(found, rng)
    argument.annotation = None
    return f"{argument.arg} is no constant of the compiler in {kernel.name}"


def _fixed(kernel: ast.FunctionDef, argument: ast.arg) -> bool:
    """Whether the compiler must know the argument: a tile is so wide, or a loop may be unrolled to it."""
    calls = [node for node in ast.walk(kernel) if isinstance(node, ast.Call) and is_call(node, "arange")]
    sides = [ast.unparse(call.args[1]) for call in calls]
    return argument.arg in sides or "static_range" in ast.unparse(kernel)


def fuse(program: Program, rng: np.random.Generator) -> str:
    """Two launches of one grid that follow one another become one, and what both read is read once.

    Kernel fusion: Wahib and Maruyama 2014, https://doi.org/10.1109/SC.2014.21
    """
    launches: dict[ast.expr, Launch] = {launch.call: launch for launch in program.launches()}
    found = []
    for block in (block for host in program.hosts.values() for block in _host_blocks(host)):
        for at, nodes in enumerate(pairwise(block)):
            pair = [launches.get(node.value) for node in nodes if isinstance(node, ast.Expr)]
            match [each for each in pair if each is not None]:
                case [one, other] if _fit(one, other):
                    found.append((block, at, one, other))
    block, at, one, other = pick(found, rng)
    first, second = one.kernel, other.kernel
    name = program.fresh(f"{first.name}_and_{second.name}"[:40])
    taken = parameters(first) | bound(first)
    texts = {n: _apart(n, taken) for n in [*(a.arg for a in second.args.args), *sorted(bound(second))]}
    merged, added = renamed(first, {}), renamed(second, texts)
    merged.name = name
    for argument in added.args.args:
        merged.args.args.append(ast.arg(texts[argument.arg], argument.annotation))
    merged.body += added.body
    call = renamed(one.call, {first.name: name})
    given = [(a.arg, one.argument(a.arg)) for a in first.args.args]
    given += [(texts[a.arg], other.argument(a.arg)) for a in second.args.args]
    values = [ast.keyword(parameter, value) for parameter, value in given if value is not None]
    if len(values) < len(given):
        raise Unsuitable("a launch leaves an argument out")
    call.args = []
    call.keywords = [*values, *(each for each in one.call.keywords if each.arg in LAUNCH_OPTIONS)]
    program.tree.body.insert(program.tree.body.index(first), merged)
    program.kernels[name] = merged
    block[at : at + 2] = [ast.Expr(call)]
    return f"one launch in place of those of {first.name} and {second.name} in {one.host.name}"


def _apart(name: str, taken: set[str]) -> str:
    found = name
    while found in taken:
        found += "_b"
    taken.add(found)
    return found


def _host_blocks(host: ast.FunctionDef) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(host):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield block


def _fit(one: Launch, other: Launch) -> bool:
    same = ast.unparse(one.grid) == ast.unparse(other.grid)
    return same and not _returns(one.kernel) and not _returns(other.kernel)
