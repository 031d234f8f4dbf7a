"""Crossover: the forward or backward pass of another program, with all that it needs, renamed apart."""

import ast
from collections.abc import Sequence

import numpy as np

from ...language.edit import Edited, Unsuitable, pick, renamed
from .program import CONFIG, ENTRIES, Program, bound, fresh, names_in, parameters, reads_of_config


def crossover(source: str, others: Sequence[str], rng: np.random.Generator) -> Edited:
    """The forward or backward pass of another program in place of this one's."""
    program, donors = Program(source), [Program(each) for each in others]
    choices = [
        (number, entry)
        for number, other in enumerate(donors)
        for entry in ENTRIES
        if _alone(other, entry) != _alone(program, entry)
    ]
    number, entry = pick(choices, rng)
    donor = donors[number]
    needed = _needed(donor, entry)
    taken = program.names() - {entry} | program.tunables().keys()
    texts = {name: _apart(name, taken) for name in needed if name != entry}
    tunables = {}
    for key, value in _tuned(donor, needed).items():
        shared = program.tunables().get(key) == value
        tunables[key] = key if shared else _apart(key, taken)
        program.tune(tunables[key], value)
    constants = _constants(donor, needed)
    if constants & program.names():
        raise Unsuitable("both programs have a constant of that name")
    functions = donor.functions()
    brought = [_moved(functions[name], texts, tunables) for name in needed]
    constant_nodes = [renamed(node, {}) for node in donor.tree.body if _binds(node) & constants]
    at = program.tree.body.index(program.hosts[entry])
    program.tree.body[at : at + 1] = [*constant_nodes, *brought]
    rebuilt = Program(ast.unparse(ast.fix_missing_locations(program.tree)))
    functions = rebuilt.functions()
    if any(functions.keys() & (bound(node) | parameters(node)) for node in functions.values()):
        raise Unsuitable("a local of one program is a function of the other")
    words = f"took {entry} with {', '.join(sorted(set(needed) - {entry})) or 'nothing else'}"
    return Edited(rebuilt.text(), words, number)


def _needed(program: Program, entry: str) -> list[str]:
    """The functions that an entry needs, and itself, in text order."""
    wanted = program.reachable(entry)
    return [
        node.name for node in program.tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted
    ]


def _alone(program: Program, entry: str) -> str:
    """The text of one pass, tunables included."""
    functions, names = program.functions(), _needed(program, entry)
    return "\n".join([*(ast.unparse(functions[name]) for name in names), repr(_tuned(program, names))])


def _tuned(program: Program, names: Sequence[str]) -> dict[str, float]:
    """The tunables that functions read."""
    functions = program.functions()
    read = {key for name in names for _, key in reads_of_config(functions[name])}
    return {key: value for key, value in program.tunables().items() if key in read}


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


def _moved(node: ast.FunctionDef, texts: dict[str, str], keys: dict[str, str]) -> ast.stmt:
    """A function of the donor under the names that it has here."""
    copy = renamed(node, texts)
    copy.name = texts.get(copy.name, copy.name)
    for part, key in reads_of_config(copy):
        part.slice = ast.Constant(keys.get(key, key))
    return copy


def _apart(name: str, taken: set[str]) -> str:
    found = fresh(name, taken)
    taken.add(found)
    return found
