"""Edits of loads and stores: their order, their masks, what they tell the cache and the compiler."""

import ast
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...language.edit import Unsuitable, expression, pick, renamed
from .program import (
    Definitions,
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
    for kernel, block, at in program.places():
        match block[at]:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if is_call(call, "load"):
                shape = program.shapes(kernel).of(call.args[0])
                if shape and len(shape) == 2 and program.definitions(kernel).home(name):
                    found.append((kernel, block, at, name, call))
    kernel, block, at, name, call = pick(found, rng)
    turned = program.fresh(f"{name}_t")
    lines: list[ast.stmt] = []
    new = _turned(program, kernel, call, lines, {})
    block[at : at + 1] = [
        *lines,
        statement(f"{turned} = {ast.unparse(new)}"),
        statement(f"{name} = tl.trans({turned})"),
    ]
    _untangle(kernel)
    return f"`{name}` read in the other order of its axes, then turned, in {kernel.name}"


def _turned(
    program: Program, kernel: ast.FunctionDef, node: ast.expr, lines: list[ast.stmt], done: dict[str, str]
) -> ast.expr:
    """The expression with its two axes exchanged; locals of two axes are bound anew in `lines`."""
    texts: dict[str, str] = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and len(program.shapes(kernel).known.get(part.id) or ()) == 2:
            home = program.definitions(kernel).home(part.id)
            if home is None:
                raise Unsuitable(f"{part.id} is bound more than once")
            if part.id not in done:
                value = _turned(program, kernel, home[0].value, lines, done)
                name = program.fresh(f"{part.id}_t")
                while name in done.values():
                    name += "t"
                done[part.id] = name
                lines.append(statement(f"{done[part.id]} = {ast.unparse(value)}"))
            texts[part.id] = done[part.id]
    copy = renamed(node, texts)
    for part in ast.walk(copy):
        if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Tuple):
            part.slice.elts = part.slice.elts[::-1] if len(part.slice.elts) == 2 else part.slice.elts
        elif is_call(part, "sum", "max", "dot", "arange", "trans", "zeros", "full"):
            raise Unsuitable("the order of axes matters inside")
    return copy


def _untangle(kernel: ast.FunctionDef) -> None:
    """Replace what is turned twice by what was turned."""
    known = Definitions(kernel)
    for node in list(ast.walk(kernel)):
        match node:
            case ast.Call(args=[inner]) if is_call(node, "trans"):
                match known.resolved(inner):
                    case ast.Call(args=[ast.Name(id=name)]) as first if is_call(first, "trans"):
                        if known.home(name):
                            replace(kernel, node, ast.Name(name, ast.Load()))


def blocked(program: Program, rng: np.random.Generator) -> str:
    """A loop whose tiles take every n-th element takes n neighbours at a time: reads and writes coalesce.

    CUDA C++ Best Practices Guide, strided accesses, as for `natural_order`.
    """
    found = []
    for kernel in program.kernels.values():
        for node in ast.walk(kernel):
            match node:
                case ast.For(target=ast.Name(id=start), iter=ast.Call(args=[*_, last])):
                    count = program.definitions(kernel).resolved(last)
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
    for kernel, block, at in program.places():
        match block[at]:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_call(value, "load"):
                users = [user for user in range(at + 2, len(block)) if name in read(block[user])]
                stored = users and any(map(stores, block[at + 1 : users[-1]]))
                if users and not stored and program.definitions(kernel).home(name):
                    found.append((kernel, block, users[-1], name, value))
    kernel, block, user, name, value = pick(found, rng)
    again = program.fresh(f"{name}_again")
    block[user] = renamed(block[user], {name: again})
    block.insert(user, statement(f"{again} = {ast.unparse(value)}"))
    return f"`{name}` is loaded again before it is last read in {kernel.name}"


def reuse(program: Program, rng: np.random.Generator) -> str:
    """A value that an equal expression has computed before in the block is read and not computed anew."""
    found = []
    for kernel in program.kernels.values():
        for block in blocks(kernel):
            seen: dict[str, str] = {}
            for at, node in enumerate(block):
                if stores(node):
                    seen = {}
                match node:
                    case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() | ast.BinOp() as value) if (
                        program.definitions(kernel).home(name)
                    ):
                        first = seen.setdefault(ast.unparse(value), name)
                        if first != name:
                            found.append((kernel, block, at, name, first))
    kernel, block, at, name, first = pick(found, rng)
    block[at] = statement(f"{name} = {first}")
    return f"`{name}` reads `{first}` in place of computing it anew in {kernel.name}"


def contiguous(program: Program, rng: np.random.Generator) -> str:
    """Tells the compiler that an index steps by one, so that loads may be wide.

    https://triton-lang.org/main/python-api/generated/triton.language.max_contiguous.html
    """
    found = []
    for kernel, block, at in program.places():
        match node := block[at]:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp() as value):
                shape = program.shapes(kernel).of(value)
                if shape and len(shape) == 1 and "tl.arange" in ast.unparse(value):
                    found.append((kernel, node, name, shape[0]))
    kernel, node, name, side = pick(found, rng)
    text = f"tl.max_contiguous(tl.multiple_of({ast.unparse(node.value)}, {side}), {side})"
    node.value = expression(text)
    return f"hints that `{name}` steps by one in {kernel.name}"


def split_load(program: Program, rng: np.random.Generator) -> str:
    """An expression around a load becomes two statements, the load first: it can begin earlier."""
    found = []
    for place in program.places():
        if isinstance(place.node, ast.Assign) and not is_call(place.node.value, "load"):
            calls = [n for n in ast.walk(place.node.value) if isinstance(n, ast.Call) and is_call(n, "load")]
            found += [(place, call) for call in calls]
    (kernel, block, at), call = pick(found, rng)
    name = program.fresh("loaded")
    replace(block[at], call, ast.Name(name, ast.Load()))
    block.insert(at, statement(f"{name} = {ast.unparse(call)}"))
    return f"`{name}` is loaded in a statement of its own in {kernel.name}"


def earlier(program: Program, rng: np.random.Generator) -> str:
    """A load as early in its block as what it reads allows: more loads are under way at a time."""
    found = []
    for kernel, block, at in program.places():
        node = block[at]
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
    for kernel, block, at in program.places():
        for one, other in pairwise(block[at : at + 2]):
            needed = bound(one) & (read(other) | bound(other)) or read(one) & bound(other)
            crosses = (stores(one) and touches_memory(other)) or (stores(other) and touches_memory(one))
            if not needed and not crosses:
                found.append((kernel, block, at))
    kernel, block, at = pick(found, rng)
    block[at], block[at + 1] = block[at + 1], block[at]
    return f"`{shown(block[at])}` before `{shown(block[at + 1])}` in {kernel.name}"


def share_home(program: Program, rng: np.random.Generator) -> str:
    """The conversion of a loaded tile to float32 moves into the statement that loads it."""
    found = []
    for kernel in program.kernels.values():
        for node in ast.walk(kernel):
            match node:
                case (
                    ast.Assign(
                        value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="to"), args=[_])
                    ) as line
                ):
                    home = program.definitions(kernel).home(name)
                    uses = sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(kernel))
                    if home and uses == 2 and is_call(home[0].value, "load"):
                        found.append((kernel, line, name, home[0].value))
    kernel, line, name, value = pick(found, rng)
    line.value = renamed(line.value, {name: ast.unparse(value)})
    return f"`{name}` is converted where it is loaded in {kernel.name}"
