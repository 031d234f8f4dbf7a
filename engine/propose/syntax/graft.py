"""Graft: an expression set into a program together with the statements, state and constants that it needs."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ....evaluators.language.edit import Unsuitable, expression, pick, renamed
from ....evaluators.language.simplify import returned_dicts
from ....evaluators.language.vocabulary import HOLE, Idiom
from .expr_types import Site
from .interpreter import bindings, slot_name
from .shapes import meant
from .tree import ProgramTree, fresh


@dataclass
class Graft:
    """What to set in: texts that already speak of the host's names."""

    result: str = ""
    statements: list[str] = field(default_factory=list)
    constants: dict[str, float] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)
    """State slots to add, and their first values."""
    nexts: dict[str, str] = field(default_factory=dict)
    """Their next values."""

    def into(self, tree: ProgramTree, site: Site) -> None:
        """Put the result in the site's place, the statements before it, and the rest where it belongs."""
        for key, start in self.starts.items():
            tree.add_slot(key, start, self.nexts.get(key, ""))
        for key, value in self.constants.items():
            tree.set_constant(key, value)
        site.put(expression(self.result))
        at = site.block.index(site.statement)
        site.block[at:at] = ast.parse("\n".join(self.statements)).body

    def brings(self) -> str:
        """The state and constants that come along, in words; empty where there are none."""
        parts = [f"state `{key}`" for key in self.starts] + [f"constant `{key}`" for key in self.constants]
        return f", with {', '.join(parts)}" if parts else ""


def rewritten(text: str, texts: Mapping[str, str]) -> str:
    """A statement or expression with names replaced; the hole {0} counts as the name _0."""
    tree = ast.parse(HOLE.sub(r"_\1", text))
    return ast.unparse(ast.fix_missing_locations(renamed(tree, texts)))


def graft_of_idiom(tree: ProgramTree, site: Site, idiom: Idiom, rng: np.random.Generator) -> Graft:
    """The idiom's edit at a site, under names that the program does not use yet."""
    graft = Graft()
    operands = [
        site.text,
        *(pick(tree.leaves(meant(each, site.kind), site.scope), rng) for each in idiom.arguments[1:]),
    ]
    templates = (*idiom.statements, *idiom.kept.values(), idiom.result)
    taken = tree.names()
    if sum(each.count("{0}") for each in templates) > 1 and not isinstance(
        site.node, (ast.Name, ast.Subscript)
    ):
        name = fresh("part", taken)
        taken.add(name)
        graft.statements.append(f"{name} = {operands[0]}")
        operands[0] = name
    texts = {f"_{number}": text for number, text in enumerate(operands)}
    keys, slots = {name: fresh(name, tree.constants()) for name in idiom.constants}, tree.slots()
    texts.update((name, tree.constant(key)) for name, key in keys.items())
    homes = {name: fresh(name, slots) for name in (*idiom.state, *idiom.fixed)}
    texts.update((name, tree.slot(key)) for name, key in homes.items())
    for _, name, _ in bindings(ast.parse(HOLE.sub(r"_\1", "\n".join(idiom.statements))).body):
        texts[name] = fresh(name, taken)
    graft.statements += [rewritten(each, texts) for each in idiom.statements]
    graft.constants = {keys[name]: value for name, value in idiom.constants.items()}
    starts = {**idiom.state, **idiom.fixed}
    graft.starts = {homes[name]: _started(tree, site, start, texts) for name, start in starts.items()}
    graft.nexts = {homes[name]: rewritten(each, texts) for name, each in idiom.kept.items()}
    graft.result = rewritten(idiom.result, texts)
    return graft


def _started(tree: ProgramTree, site: Site, start: str, texts: Mapping[str, str]) -> str:
    """The first value of a slot, with the lengths and constants that its template speaks of."""
    names = {node.id for node in ast.walk(expression(start)) if isinstance(node, ast.Name)}
    places = {"last": -1, "middle": 1}
    lengths = {name: tree.length(site.kind, place) for name, place in places.items() if name in names}
    return rewritten(start, {**{name: text for name, text in texts.items() if name in names}, **lengths})


def graft_of_donor(tree: ProgramTree, site: Site, donor: ProgramTree, lent: Site) -> Graft:
    """An expression of another program for a site of this one.

    Names keep their meaning: a local, slot or constant that the host has at the site is the host's. What it
    lacks comes along, and what that needs. Unsuitable where it cannot be cut out of the donor.
    """
    loan = _Loan(tree, site, donor, lent)
    body = donor.function.body
    kept = [body[index] for index in sorted(loan.statements)]
    taken = tree.names()
    texts = {name: fresh(name, taken) for _, name, _ in bindings(kept)}
    return Graft(
        rewritten(lent.text, texts),
        [rewritten(ast.unparse(node), texts) for node in kept],
        loan.constants,
        loan.starts,
        {key: rewritten(ast.unparse(node), texts) for key, node in loan.nexts.items()},
    )


class _Loan:
    """Everything of the donor that an expression needs and the host does not have."""

    def __init__(self, tree: ProgramTree, site: Site, donor: ProgramTree, lent: Site) -> None:
        self.scope, self.lent_scope = site.scope, lent.scope
        self.layout = donor.layout
        self.host_constants, self.donor_constants = tree.constants(), donor.constants()
        self.slots = donor.slots()
        self.starts: dict[str, str] = {}
        self.nexts: dict[str, ast.expr] = {}
        self.constants: dict[str, float] = {}
        self.statements: set[int] = set()
        self.makers = returned_dicts(donor.maker) if donor.maker else []
        self.keepers = returned_dicts(donor.function)
        self.barred = {n.name for n in donor.module.body if isinstance(n, ast.FunctionDef)}
        if self.layout.constants != self.layout.constants_parameter:
            self.barred.add(self.layout.constants)
        self.homes: dict[str, set[int]] = {}
        for index, statement in enumerate(donor.function.body):
            for _, name, _ in bindings([statement]):
                self.homes.setdefault(name, set()).add(index)
        self.body = donor.function.body
        self.need(lent.node)

    def need(self, node: ast.AST) -> None:
        """Take what a node reads."""
        for part in ast.walk(node):
            match part:
                case ast.Return():
                    raise Unsuitable("what the expression needs leaves the function")
                case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                    self.need_value(name, key)
                case ast.Name(id=name, ctx=ast.Load()):
                    self.need_name(name)

    def need_value(self, name: str, key: str) -> None:
        if name == self.layout.constants_parameter and key not in self.host_constants:
            self.constants[key] = self.donor_constants[key]
        elif name == self.layout.state_parameter and key not in self.starts:
            home = slot_name(name, key)
            if home in self.scope:
                if self.scope[home] != self.slots.get(key):
                    raise Unsuitable(f"both programs have a state {key!r}, of different shape")
                return
            start = _value(self.makers, key)
            self.starts[key] = ast.unparse(start)
            self.need(start)
            if not self.layout.fixed:
                self.nexts[key] = _value(self.keepers, key)
                self.need(self.nexts[key])

    def need_name(self, name: str) -> None:
        if name in self.barred:
            raise Unsuitable(f"the expression needs `{name}` of the other program")
        if name in self.scope and self.scope[name] == self.lent_scope.get(name, self.scope[name]):
            return
        for index in self.homes.get(name, set()) - self.statements:
            self.statements.add(index)
            self.need(self.body[index])


def _value(dicts: list[ast.Dict], key: str) -> ast.expr:
    """The one expression that a returned dict holds for a key."""
    if len(dicts) == 1:
        for known, value in zip(dicts[0].keys, dicts[0].values, strict=True):
            if isinstance(known, ast.Constant) and known.value == key:
                return value
    raise Unsuitable(f"state {key!r} is not written out in one place")
