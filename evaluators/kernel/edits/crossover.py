"""Crossover: the forward or backward pass of another program, with all that it needs, renamed apart."""

import ast
from collections.abc import Sequence

import numpy as np

from ...language.edit import Unsuitable, expression, pick, renamed
from .program import CONFIG, ENTRIES, Program, bound, fresh, names_in, parameters


def take_pass(program: Program, rng: np.random.Generator, others: Sequence[Program]) -> tuple[str, int]:
    """(what was taken, from which of the others): one entry function, its kernels, helpers and tunables."""
    choices = [
        (number, entry)
        for number, other in enumerate(others)
        for entry in ENTRIES
        if _alone(other, entry) != _alone(program, entry)
    ]
    number, entry = pick(choices, rng)
    donor = others[number]
    needed = _needed(donor, entry)
    taken = program.names() - {entry} | program.tunables().keys()
    texts: dict[str, str] = {}
    for name in needed:
        if name != entry:
            texts[name] = _apart(name, taken)
    tunables = {}
    for key, value in donor.tunables().items():
        if any(_reads(donor, name, key) for name in needed):
            shared = program.tunables().get(key) == value
            tunables[key] = key if shared else _apart(key, taken)
            program.tune(tunables[key], value)
    constants = _constants(donor, needed)
    if constants & program.names():
        raise Unsuitable("both programs have a constant of that name")
    brought = [_moved(node, texts, tunables) for node in donor.tree.body if _wanted(node, needed)]
    constant_nodes = [renamed(node, {}) for node in donor.tree.body if _binds(node) & constants]
    home = program.hosts[entry]
    at = program.tree.body.index(home)
    program.tree.body[at : at + 1] = [*constant_nodes, *brought]
    rebuilt = Program(ast.unparse(ast.fix_missing_locations(program.tree)))
    functions = rebuilt.functions()
    if any(functions.keys() & (bound(node) | parameters(node)) for node in functions.values()):
        raise Unsuitable("a local of one program is a function of the other")
    program.tree, program.kernels = rebuilt.tree, rebuilt.kernels
    program.hosts, program.config = rebuilt.hosts, rebuilt.config
    return f"took {entry} with {', '.join(sorted(set(needed) - {entry})) or 'nothing else'}", number


def _needed(program: Program, entry: str) -> list[str]:
    """The functions that an entry needs, and itself, in text order."""
    wanted = program.reachable(entry)
    return [
        node.name for node in program.tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted
    ]


def _alone(program: Program, entry: str) -> str:
    """The text of one pass, tunables included."""
    functions, names = program.functions(), _needed(program, entry)
    tuned = {k: v for k, v in program.tunables().items() if any(_reads(program, n, k) for n in names)}
    return "\n".join([*(ast.unparse(functions[name]) for name in names), repr(tuned)])


def _reads(program: Program, function: str, key: str) -> bool:
    node = program.functions()[function]
    return any(
        isinstance(n, ast.Subscript) and ast.unparse(n) == f"{CONFIG}[{key!r}]" for n in ast.walk(node)
    )


def _constants(program: Program, needed: Sequence[str]) -> set[str]:
    """The module's constants, CONFIG apart, that functions read."""
    known = {name for node in program.tree.body for name in _binds(node)} - {CONFIG}
    functions = program.functions()
    return known & {name for function in needed for name in names_in(functions[function])}


def _binds(node: ast.stmt) -> set[str]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return {name}
    return set()


def _wanted(node: ast.stmt, needed: Sequence[str]) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name in needed


class _Keys(ast.NodeTransformer):
    def __init__(self, keys: dict[str, str]) -> None:
        self.keys = keys

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Subscript(value=ast.Name(id="CONFIG"), slice=ast.Constant(value=str(key))):
                return expression(f"{CONFIG}[{self.keys.get(key, key)!r}]")
        return node


def _moved(node: ast.stmt, texts: dict[str, str], keys: dict[str, str]) -> ast.stmt:
    """A function of the donor under the names that it has here."""
    copy = renamed(node, texts)
    assert isinstance(copy, ast.FunctionDef)
    copy.name = texts.get(copy.name, copy.name)
    moved: ast.stmt = _Keys(keys).visit(copy)
    return moved


def _apart(name: str, taken: set[str]) -> str:
    found = fresh(name, taken)
    taken.add(found)
    return found
