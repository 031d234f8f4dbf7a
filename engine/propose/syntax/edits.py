"""Edits: each changes a tree in one way and says how, or raises Unsuitable and changes nothing."""

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ....evaluators.language.edit import Unsuitable, expression, pick
from ....evaluators.language.simplify import fold
from ....evaluators.language.vocabulary import Operator
from ...loop.proposer import Parent
from .expr_types import Kind, Site
from .graft import graft_of_donor, graft_of_idiom
from .interpreter import bindings
from .shapes import base, meant
from .tree import ProgramTree, fill, fresh, result_of

LARGEST_LOAN = 40
"""Syntax nodes of an expression that one program takes from another."""
_LITTLE = 0.35
"""Standard deviation of the logarithm of a small move."""
_FACTORS = (0.1, 0.3, 3.0, 10.0)


@dataclass(frozen=True)
class Change:
    """What an edit did, in words, and the id of the other parent that it took from."""

    words: str
    lender: str | None = None


Edit = Callable[[ProgramTree, np.random.Generator, Sequence[Parent]], Change]


def replace(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A random expression in place of another of its kind."""
    site = pick(tree.types().sites, rng)
    return _put(tree, site, tree.grow(site.kind, site.scope, rng, int(rng.integers(3))))


def wrap(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """An operation on an expression, in the place of that expression."""
    site = pick(tree.types().sites, rng)
    operator = _operator_on(tree, site.kind, rng)
    change = _put(tree, site, _applied(tree, operator, site.text, site, rng, 1))
    return Change(f"{change.words} ({operator.words})")


def unwrap(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A part of an expression in the place of the whole."""
    sites = tree.types().sites
    site = pick([each for each in sites if not isinstance(each.node, (ast.Name, ast.Constant))], rng)
    return _put(tree, site, pick(_parts(site, sites), rng).text)


def exchange(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Two expressions of one kind, each in the place of the other."""
    sites = tree.types().sites
    one = pick(sites, rng)
    apart = [e for e in sites if e.node not in ast.walk(one.node) and one.node not in ast.walk(e.node)]
    other = pick([each for each in apart if each.kind == one.kind], rng)
    if other.text == one.text:
        raise Unsuitable("the expressions are equal")
    one.put(other.node)
    other.put(one.node)
    return Change(f"swapped `{one.text}` and `{other.text}` in {tree.function.name}")


def operate(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Another operator between the same operands."""
    site = pick([each for each in tree.types().sites if isinstance(each.node, (ast.BinOp, ast.Compare))], rng)
    old = site.text
    match site.node:
        case ast.BinOp(op=op):
            choices = [each for each in (ast.Add, ast.Sub, ast.Mult) if not isinstance(op, each)]
            site.node.op = pick(choices, rng)()
        case ast.Compare(ops=[op]):
            site.node.ops = [ast.Lt() if isinstance(op, (ast.Gt, ast.GtE)) else ast.Gt()]
    return Change(f"replaced `{old}` by `{site.text}` in {tree.function.name}")


def insert(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A statement that computes a local anew, after the one that bound it."""
    values = {id(site.holder): site for site in tree.types().sites if site.holder is site.statement}
    statement, name, block = pick([e for e in bindings(tree.function.body) if id(e[0]) in values], rng)
    site = values[id(statement)]
    line = f"{name} = {_applied(tree, _operator_on(tree, site.kind, rng), name, site, rng, 0)}"
    after = ast.unparse(statement)
    block.insert(block.index(statement) + 1, ast.parse(line).body[0])
    return Change(f"inserted `{line}` after `{after}` in {tree.function.name}")


def delete(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A statement deleted where its local has an earlier value; else a part of its expression is left."""
    sites = tree.types().sites
    statement, name, block = pick(list(bindings(tree.function.body)), rng)
    value = pick([each for each in sites if each.holder is statement], rng)
    line = ast.unparse(statement)
    if name in value.scope:
        block[block.index(statement)] = ast.Pass()
        return Change(f"deleted `{line}` from {tree.function.name}")
    part = pick(_parts(value, sites), rng).text
    value.put(expression(part))
    return Change(f"deleted the operation in `{line}`, leaving `{name} = {part}`, in {tree.function.name}")


def reorder(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Two neighbouring statements in the other order, where the second reads what the first binds."""
    pairs = []
    for first, name, block in bindings(tree.function.body):
        at = block.index(first) + 1
        if at < len(block) and isinstance(block[at], ast.Assign) and _reads(block[at], name):
            pairs.append((block, at))
    block, at = pick(pairs, rng)
    block[at - 1], block[at] = block[at], block[at - 1]
    words = f"moved `{ast.unparse(block[at - 1])}` before `{ast.unparse(block[at])}`"
    return Change(f"{words} in {tree.function.name}")


def idiom(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A known device of the kind, set in at one place with all that it needs elsewhere."""
    chosen = pick(tree.vocabulary.idioms, rng, [each.weight for each in tree.vocabulary.idioms])
    sites = [each for each in tree.types().sites if tree.matches(each.kind, chosen.arguments[0])]
    if chosen.place == "result":
        sites = [each for each in sites if each.role == "result"]
    site = pick(sites, rng)
    old = site.text
    graft = graft_of_idiom(tree, site, chosen, rng)
    graft.into(tree, site)
    after = f" after `{'; '.join(graft.statements)}`" if graft.statements else ""
    words = f"{chosen.words}: replaced `{old}` by `{graft.result}`{after} in {tree.function.name}"
    return Change(words + graft.brings())


def borrow(tree: ProgramTree, rng: np.random.Generator, others: Sequence[Parent]) -> Change:
    """An expression of another parent in place of one of the same kind."""
    lender, donor, sites = _donor(tree, rng, others)
    site = pick(tree.types().sites, rng)
    wanted = tree.pattern(site.kind) if site.role == "result" else site.kind
    lent = pick([e for e in sites if tree.matches(e.kind, wanted or "") and e.text != site.text], rng)
    old = site.text
    graft = graft_of_donor(tree, site, donor, lent)
    if graft.result == old:
        raise Unsuitable("the expression is what stands there")
    graft.into(tree, site)
    words = f"took `{lent.text}` from {lender.program_id[:8]} in place of `{old}` in {tree.function.name}"
    return Change(words + graft.brings(), lender.program_id)


def splice(tree: ProgramTree, rng: np.random.Generator, others: Sequence[Parent]) -> Change:
    """A statement of another parent set in before one of this program, which reads its local."""
    lender, donor, sites = _donor(tree, rng, others)
    known = {ast.unparse(statement) for statement, _, _ in bindings(tree.function.body)}
    names = {id(statement): name for statement, name, _ in bindings(donor.function.body)}
    lent = pick([e for e in sites if e.holder is e.statement and ast.unparse(e.statement) not in known], rng)
    if id(lent.statement) not in names:
        raise Unsuitable("the statement returns")
    site = pick([each for each in tree.types().sites if each.kind == lent.kind], rng)
    old, name = site.text, fresh(names[id(lent.statement)], tree.names())
    graft = graft_of_donor(tree, site, donor, lent)
    line = f"{name} = {graft.result}"
    graft.statements.append(line)
    graft.result = name
    graft.into(tree, site)
    words = f"took `{line}` from {lender.program_id[:8]} and put `{name}` in place of `{old}`"
    return Change(f"{words} in {tree.function.name}{graft.brings()}", lender.program_id)


def simplify(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """What does not matter, gone."""
    gone = [*fold(tree.module), *tree.drop_dead()]
    if not gone:
        raise Unsuitable("everything matters")
    return Change(f"removed what did nothing: `{'`, `'.join(gone)}`")


def moved(value: float, bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """A number near `value` or a factor away from it, in the bounds and with few digits.

    What lies between 0.5 and 1 moves by its distance to 1, as decay rates do; zero moves to a small number.
    Unsuitable where rounding or a bound brings it back to where it was.
    """
    factor = math.exp(rng.normal(0.0, _LITTLE)) if rng.random() < 0.6 else pick(_FACTORS, rng)
    if value == 0:
        new = 10.0 ** rng.uniform(-4.0, -1.0)
    elif 0.5 < value < 1.0:
        new = 1.0 - float(f"{min((1.0 - value) * factor, 0.9):.2g}")
    else:
        new = value * factor
    low, high = bounds
    new = float(f"{min(max(new, low), high):.6g}" if 0.5 < new < 1.0 else f"{min(max(new, low), high):.2g}")
    if new == value:
        raise Unsuitable("the number stays what it is")
    return new


def scale_constant(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Another value of a named constant."""
    constants = tree.constants()
    key = pick(list(constants), rng)
    old = constants[key]
    new = moved(old, tree.layout.bounds_of(key, old), rng)
    if tree.layout.fixed and isinstance(old, int) and old >= 1:  # a size
        new = max(1, round(new))
        if new == old:
            raise Unsuitable("the size stays what it is")
    tree.set_constant(key, new)
    return Change(f"scaled {tree.layout.constants} `{key}` from {old!r} to {new!r}")


def scale_literal(tree: ProgramTree, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Another value of a number in the code."""
    sites = [each for each in tree.types().sites if isinstance(each.node, ast.Constant)]
    site = pick(sites, rng)
    old = float(site.text)
    new = moved(old, tree.layout.bounds_of("", old), rng)
    site.put(expression(repr(new)))
    line = ast.unparse(site.statement).partition("\n")[0]
    return Change(f"scaled the number {site.text} to {new!r} in `{line}`")


def _put(tree: ProgramTree, site: Site, text: str) -> Change:
    old = site.text
    if old == text:
        raise Unsuitable("the expression is what stands there")
    site.put(expression(text))
    return Change(f"replaced `{old}` by `{text}` in {tree.function.name}")


def _parts(site: Site, sites: Sequence[Site]) -> list[Site]:
    """The sites of the same kind inside a site."""
    within = set(ast.walk(site.node)) - {site.node}
    return [each for each in sites if each.kind == site.kind and each.node in within]


def _operator_on(tree: ProgramTree, kind: Kind, rng: np.random.Generator) -> Operator:
    """An operator that takes and yields a kind; what a full tensor suits suits one that broadcasts."""
    wanted = "tensor" if kind == "reduced" else base(kind)
    fitting = [e for e in tree.vocabulary.operators if result_of(e) == wanted and wanted in e.arguments]
    return pick(fitting, rng, [each.weight for each in fitting])


def _applied(
    tree: ProgramTree, operator: Operator, text: str, site: Site, rng: np.random.Generator, depth: int
) -> str:
    """The operator on an expression of the site's kind, other operands grown."""
    wanted = "tensor" if site.kind == "reduced" else base(site.kind)
    place = pick([index for index, each in enumerate(operator.arguments) if each == wanted], rng)
    texts = [
        text if index == place else tree.grow(meant(each, site.kind), site.scope, rng, depth)
        for index, each in enumerate(operator.arguments)
    ]
    return fill(operator.template, texts)


def _donor(
    tree: ProgramTree, rng: np.random.Generator, others: Sequence[Parent]
) -> tuple[Parent, ProgramTree, list[Site]]:
    lender = pick(others, rng)
    donor = ProgramTree(lender.source, tree.vocabulary)
    sites = donor.types().sites
    return lender, donor, [e for e in sites if sum(1 for _ in ast.walk(e.node)) <= LARGEST_LOAN]


def _reads(node: ast.stmt, name: str) -> bool:
    parts = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return any(part.id == name and isinstance(part.ctx, ast.Load) for part in parts)
