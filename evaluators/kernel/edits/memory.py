"""Edits of loads and stores: their order, their masks, what they tell the cache and the compiler."""

import ast
from collections.abc import Sequence

import numpy as np

from ...language.edit import Unsuitable, expression, pick, renamed
from .definitions import Definitions
from .program import (
    Program,
    blocks,
    bound,
    is_call,
    keyword,
    read,
    replace,
    set_keyword,
    shown,
    statement,
    stores,
    touches_memory,
)
from .shapes import Shapes

EVICTIONS = ("evict_first", "evict_last")
LOAD_CACHES = (".ca", ".cg")
STORE_CACHES = (".wb", ".cg", ".cs")


def eviction(program: Program, rng: np.random.Generator) -> str:
    """Tells the second-level cache what to keep: data read once goes first, data read again stays.

    PTX ISA, cache eviction priority hints, https://docs.nvidia.com/cuda/parallel-thread-execution/
    """
    return _hint(program, rng, "eviction_policy", EVICTIONS, EVICTIONS)


def cache(program: Program, rng: np.random.Generator) -> str:
    """Which caches a load or store goes through: PTX ISA, cache operators."""
    return _hint(program, rng, "cache_modifier", LOAD_CACHES, STORE_CACHES)


def _hint(
    program: Program, rng: np.random.Generator, name: str, loads: Sequence[str], to_store: Sequence[str]
) -> str:
    site = pick(program.calls("load", "store"), rng)
    allowed = loads if is_call(site.call, "load") else to_store
    now = keyword(site.call, name)
    old = str(now.value) if isinstance(now, ast.Constant) else None
    new = pick([each for each in (None, *allowed) if each != old], rng)
    set_keyword(site.call, name, None if new is None else ast.Constant(new))
    return f"{name} {old or 'none'} -> {new or 'none'} of `{shown(site.call.args[0])}` in {site.kernel.name}"


def natural_order(program: Program, rng: np.random.Generator) -> str:
    """A load of a tile in the other order of its axes, then turned with tl.trans: neighbouring threads read
    neighbours in memory.

    CUDA C++ Best Practices Guide, coalesced access to global memory,
    https://docs.nvidia.com/cuda/cuda-c-best-practices-guide/
    """
    found = []
    for kernel in program.kernels.values():
        known, shapes = Definitions(kernel), Shapes(kernel)
        for block in blocks(kernel):
            for at, node in enumerate(block):
                match node:
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                        shape = shapes.of(call.args[0]) if is_call(call, "load") else None
                        if shape and len(shape) == 2 and known.home(name):
                            found.append((kernel, known, shapes, block, at, name, call))
    kernel, known, shapes, block, at, name, call = pick(found, rng)
    turned = program.fresh(f"{name}_t")
    lines: list[ast.stmt] = []
    new = _turned(program, call, known, shapes, lines, {})
    block[at : at + 1] = [
        *lines,
        statement(f"{turned} = {ast.unparse(new)}"),
        statement(f"{name} = tl.trans({turned})"),
    ]
    _untangle(kernel)
    return f"`{name}` read in the other order of its axes, then turned, in {kernel.name}"


def _turned(
    program: Program,
    node: ast.expr,
    known: Definitions,
    shapes: Shapes,
    lines: list[ast.stmt],
    done: dict[str, str],
) -> ast.expr:
    """The expression with its two axes exchanged; locals of two axes are bound anew in `lines`."""
    texts: dict[str, str] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and len(shapes.known.get(part.id, ())) == 2:
            home = known.home(part.id)
            if home is None:
                raise Unsuitable(f"{part.id} is bound more than once")
            if part.id not in done:
                value = _turned(program, home[0].value, known, shapes, lines, done)
                done[part.id] = fresh_in(program, f"{part.id}_t", done)
                lines.append(statement(f"{done[part.id]} = {ast.unparse(value)}"))
            texts[part.id] = done[part.id]
    copy = renamed(node, texts)
    for part in ast.walk(copy):
        if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Tuple):
            part.slice.elts = part.slice.elts[::-1] if len(part.slice.elts) == 2 else part.slice.elts
        elif is_call(part, "sum", "max", "dot", "arange", "trans", "zeros", "full"):
            raise Unsuitable("the order of axes matters inside")
    return copy


def fresh_in(program: Program, name: str, done: dict[str, str]) -> str:
    """A name that neither the program uses nor a line that is about to be added."""
    found = program.fresh(name)
    while found in done.values():
        found += "t"
    return found


def _untangle(kernel: ast.FunctionDef) -> None:
    """Replace what is turned twice by what was turned."""
    known = Definitions(kernel)
    for node in list(ast.walk(kernel)):
        inner = _turned_from(node)
        twice = _turned_from(known.resolved(inner)) if inner is not None else None
        if isinstance(twice, ast.Name) and known.home(twice.id):
            replace(kernel, node, ast.Name(twice.id, ast.Load()))


def _turned_from(node: ast.AST) -> ast.expr | None:
    """What a tl.trans of two axes turns, None where the node is something else."""
    match node:
        case ast.Call(args=[inner]) if is_call(node, "trans"):
            return inner
    return None


def blocked(program: Program, rng: np.random.Generator) -> str:
    """A loop whose tiles take every n-th element takes n neighbours at a time: reads and writes coalesce.

    CUDA C++ Best Practices Guide, strided accesses, as for `natural_order`.
    """
    found = []
    for kernel in program.kernels.values():
        known = Definitions(kernel)
        for node in ast.walk(kernel):
            match node:
                case ast.For(target=ast.Name(id=start), iter=ast.Call(args=[*_, last])):
                    count = known.resolved(last)
                    ends = [ast.unparse(each) for each in getattr(count, "args", ())]
                    for line in node.body if is_call(count, "cdiv") else ():
                        text = f"{start} + tl.arange(0, {ends[-1]}) * {ast.unparse(last)}"
                        if isinstance(line, ast.Assign) and ast.unparse(line.value) == text:
                            found.append((kernel, node, line, start, ends))
    kernel, loop, line, start, (end, step) = pick(found, rng)
    loop.iter = expression(f"range(0, {end}, {step})")
    line.value = expression(f"{start} + tl.arange(0, {step})")
    return f"tiles of neighbours in place of every n-th element of {end} in {kernel.name}"


def untangle(program: Program, rng: np.random.Generator) -> str:
    """Tiles that are turned twice, by way of locals and conversions, are not turned at all."""
    before = ast.unparse(program.tree)
    for kernel in program.kernels.values():
        _untangle(kernel)
    if ast.unparse(program.tree) == before:
        raise Unsuitable("nothing is turned twice")
    return "removed double transpositions"


def reload(program: Program, rng: np.random.Generator) -> str:
    """A local that was loaded is loaded again where it is read later: it need not be kept in registers."""
    found = []
    for kernel in program.kernels.values():
        known = Definitions(kernel)
        for block in blocks(kernel):
            for at, node in enumerate(block):
                if isinstance(node, ast.Assign) and is_call(node.value, "load") and len(bound(node)) == 1:
                    (name,) = bound(node)
                    later = [n for n in block[at + 2 :] if name in read(n)]
                    between = block[at + 1 :]
                    if (
                        later
                        and known.home(name)
                        and not any(map(stores, between[: between.index(later[-1])]))
                    ):
                        found.append((kernel, block, node, name, later[-1]))
    kernel, block, node, name, user = pick(found, rng)
    again = program.fresh(f"{name}_again")
    block[block.index(user)] = renamed(user, {name: again})
    place = next(at for at, each in enumerate(block) if again in read(each))
    block.insert(place, statement(f"{again} = {ast.unparse(node.value)}"))
    return f"`{name}` is loaded again before it is last read in {kernel.name}"


def reuse(program: Program, rng: np.random.Generator) -> str:
    """A value that an equal expression has computed before in the block is read and not computed anew."""
    found = []
    for kernel in program.kernels.values():
        known = Definitions(kernel)
        for block in blocks(kernel):
            seen: dict[str, str] = {}
            for at, node in enumerate(block):
                if any(map(stores, [node])):
                    seen = {}
                match node:
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() | ast.BinOp() as value):
                        text = ast.unparse(value)
                        if known.home(name) and text in seen:
                            found.append((kernel, block, at, name, seen[text]))
                        elif known.home(name):
                            seen[text] = name
    kernel, block, at, name, first = pick(found, rng)
    block[at] = statement(f"{name} = {first}")
    return f"`{name}` reads `{first}` in place of computing it anew in {kernel.name}"


def contiguous(program: Program, rng: np.random.Generator) -> str:
    """Tells the compiler that an index steps by one, so that loads may be wide.

    https://triton-lang.org/main/python-api/generated/triton.language.max_contiguous.html
    """
    found = []
    for kernel in program.kernels.values():
        shapes = Shapes(kernel)
        for block in blocks(kernel):
            for node in block:
                match node:
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp() as value):
                        shape = shapes.of(value)
                        if shape and len(shape) == 1 and "tl.arange" in ast.unparse(value):
                            found.append((kernel, node, name, shape[0]))
    kernel, node, name, side = pick(found, rng)
    text = f"tl.max_contiguous(tl.multiple_of({ast.unparse(node.value)}, {side}), {side})"
    node.value = expression(text)
    return f"hints that `{name}` steps by one in {kernel.name}"


def split_load(program: Program, rng: np.random.Generator) -> str:
    """An expression around a load becomes two statements, the load first: it can begin earlier."""
    found = []
    for kernel in program.kernels.values():
        for block in blocks(kernel):
            for node in block:
                if isinstance(node, ast.Assign) and not is_call(node.value, "load"):
                    calls = [
                        n for n in ast.walk(node.value) if isinstance(n, ast.Call) and is_call(n, "load")
                    ]
                    found += [(kernel, block, node, call) for call in calls]
    kernel, block, node, call = pick(found, rng)
    name = program.fresh("loaded")
    replace(node, call, ast.Name(name, ast.Load()))
    block.insert(block.index(node), statement(f"{name} = {ast.unparse(call)}"))
    return f"`{name}` is loaded in a statement of its own in {kernel.name}"


def earlier(program: Program, rng: np.random.Generator) -> str:
    """A load as early in its block as what it reads allows: more loads are under way at a time."""
    found = []
    for kernel in program.kernels.values():
        for block in blocks(kernel):
            for at, node in enumerate(block):
                if isinstance(node, ast.Assign) and is_call(node.value, "load"):
                    first = _first_place(block, at)
                    if first < at:
                        found.append((kernel, block, at, first))
    kernel, block, at, first = pick(found, rng)
    node = block.pop(at)
    block.insert(first, node)
    return f"`{shown(node)}` is loaded earlier in {kernel.name}"


def _first_place(block: Sequence[ast.stmt], at: int) -> int:
    wanted, own = read(block[at]), bound(block[at])
    place = at
    while place and not stores(block[place - 1]):
        before = block[place - 1]
        if bound(before) & wanted or read(before) & own or bound(before) & own:
            break
        place -= 1
    return place


def exchange(program: Program, rng: np.random.Generator) -> str:
    """Two neighbouring statements that do not need each other in the other order."""
    found = []
    for kernel in program.kernels.values():
        for block in blocks(kernel):
            for at in range(len(block) - 1):
                one, other = block[at], block[at + 1]
                free = not (bound(one) & (read(other) | bound(other)) or read(one) & bound(other))
                if free and not (stores(one) and stores(other)) and not _crosses(one, other):
                    found.append((kernel, block, at))
    kernel, block, at = pick(found, rng)
    block[at], block[at + 1] = block[at + 1], block[at]
    return f"`{shown(block[at])}` before `{shown(block[at + 1])}` in {kernel.name}"


def _crosses(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether a store would change places with a load."""
    return (stores(one) and touches_memory(other)) or (stores(other) and touches_memory(one))


def share_home(program: Program, rng: np.random.Generator) -> str:
    """The conversion of a loaded tile to float32 moves into the statement that loads it."""
    found = []
    for kernel in program.kernels.values():
        known = Definitions(kernel)
        for node in ast.walk(kernel):
            match node:
                case ast.Assign(
                    value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="to"), args=[_])
                ):
                    home = known.home(name)
                    uses = sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(kernel))
                    if home and uses == 2 and is_call(home[0].value, "load"):
                        found.append((kernel, node, name, home))
    kernel, node, name, home = pick(found, rng)
    assert isinstance(node, ast.Assign)
    node.value = renamed(node.value, {name: ast.unparse(home[0].value)})
    return f"`{name}` is converted where it is loaded in {kernel.name}"
