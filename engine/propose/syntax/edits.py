"""Edits of form: each changes a draft in one way and says how, or raises Unsuitable and changes nothing."""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ....evaluators.language.edit import Unsuitable
from ....evaluators.language.simplify import fold
from ....evaluators.language.vocabulary import Operator
from ...loop.proposer import Parent
from .expr_types import Kind
from .graft import graft_of_donor, graft_of_idiom
from .shapes import base, meant
from .sites import Site, bindings
from .tree import Draft, expression, fill, fresh, pick, result_of

LARGEST_LOAN = 40
"""Syntax nodes of an expression that one program takes from another."""


@dataclass(frozen=True)
class Change:
    """What an edit did, in words, and the id of the other parent that it took from."""

    words: str
    lender: str | None = None


Edit = Callable[[Draft, np.random.Generator, Sequence[Parent]], Change]


def replace(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A random expression in place of another of its kind."""
    site = pick(draft.survey().sites, rng)
    return _put(draft, site, draft.grow(site.kind, site.scope, rng, int(rng.integers(3))))


def wrap(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """An operation on an expression, in the place of that expression."""
    site = pick(draft.survey().sites, rng)
    operator = _operator_on(draft, site.kind, rng)
    change = _put(draft, site, _applied(draft, operator, site.text, site, rng, 1))
    return Change(f"{change.words} ({operator.words})")


def unwrap(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A part of an expression in the place of the whole."""
    sites = draft.survey().sites
    site = pick([each for each in sites if not isinstance(each.node, (ast.Name, ast.Constant))], rng)
    return _put(draft, site, pick(_parts(site, sites), rng).text)


def exchange(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Two expressions of one kind, each in the place of the other."""
    sites = draft.survey().sites
    one = pick(sites, rng)
    within = set(map(id, ast.walk(one.node)))
    others = [
        each
        for each in sites
        if each.kind == one.kind
        and id(each.node) not in within
        and not any(part is one.node for part in ast.walk(each.node))
    ]
    other = pick(others, rng)
    if other.text == one.text:
        raise Unsuitable("the expressions are equal")
    one.put(other.node)
    other.put(one.node)
    return Change(f"swapped `{one.text}` and `{other.text}` in {draft.function.name}")


def operate(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Another operator between the same operands."""
    site = pick(
        [each for each in draft.survey().sites if isinstance(each.node, (ast.BinOp, ast.Compare))], rng
    )
    old = site.text
    match site.node:
        case ast.BinOp(op=op):
            choices = [each for each in (ast.Add, ast.Sub, ast.Mult) if not isinstance(op, each)]
            site.node.op = pick(choices, rng)()
        case ast.Compare(ops=[op]):
            site.node.ops = [ast.Lt() if isinstance(op, (ast.Gt, ast.GtE)) else ast.Gt()]
    return Change(f"replaced `{old}` by `{site.text}` in {draft.function.name}")


def insert(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A statement that computes a local anew, after the one that bound it."""
    values = {id(site.holder): site for site in draft.survey().sites if site.holder is site.statement}
    statement, name, block = pick([e for e in bindings(draft.function.body) if id(e[0]) in values], rng)
    site = values[id(statement)]
    line = f"{name} = {_applied(draft, _operator_on(draft, site.kind, rng), name, site, rng, 0)}"
    after = ast.unparse(statement)
    block.insert(block.index(statement) + 1, ast.parse(line).body[0])
    return Change(f"inserted `{line}` after `{after}` in {draft.function.name}")


def delete(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A statement gone: its local stays what it was before, or becomes a part of what it was to be."""
    sites = draft.survey().sites
    statement, name, block = pick(list(bindings(draft.function.body)), rng)
    value = pick([each for each in sites if each.holder is statement], rng)
    line = ast.unparse(statement)
    if name in value.scope:
        block[block.index(statement)] = ast.Pass()
        return Change(f"deleted `{line}` from {draft.function.name}")
    part = pick(_parts(value, sites), rng).text
    value.put(expression(part))
    return Change(f"deleted the operation in `{line}`, leaving `{name} = {part}`, in {draft.function.name}")


def reorder(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """Two neighbouring statements in the other order, where the second reads what the first binds."""
    pairs = []
    for first, name, block in bindings(draft.function.body):
        at = block.index(first) + 1
        if at < len(block) and isinstance(block[at], ast.Assign) and _reads(block[at], name):
            pairs.append((block, at))
    block, at = pick(pairs, rng)
    block[at - 1], block[at] = block[at], block[at - 1]
    words = f"moved `{ast.unparse(block[at - 1])}` before `{ast.unparse(block[at])}`"
    return Change(f"{words} in {draft.function.name}")


def idiom(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """A known device of the kind, set in at one place with all that it needs elsewhere."""
    chosen = pick(draft.vocabulary.idioms, rng, [each.weight for each in draft.vocabulary.idioms])
    sites = [each for each in draft.survey().sites if draft.matches(each.kind, chosen.arguments[0])]
    if chosen.place == "result":
        sites = [each for each in sites if each.role == "result"]
    site = pick(sites, rng)
    old = site.text
    graft = graft_of_idiom(draft, site, chosen, rng)
    graft.into(draft, site)
    after = f" after `{'; '.join(graft.statements)}`" if graft.statements else ""
    words = f"{chosen.words}: replaced `{old}` by `{graft.result}`{after} in {draft.function.name}"
    return Change(words + graft.brings())


def borrow(draft: Draft, rng: np.random.Generator, others: Sequence[Parent]) -> Change:
    """An expression of another parent in place of one of the same kind."""
    lender, donor, sites = _donor(draft, rng, others)
    site = pick(draft.survey().sites, rng)
    wanted = draft.pattern(site.kind) if site.role == "result" else site.kind
    lent = pick([e for e in sites if draft.matches(e.kind, wanted or "") and e.text != site.text], rng)
    old = site.text
    graft = graft_of_donor(draft, site, donor, lent)
    if graft.result == old:
        raise Unsuitable("the expression is what stands there")
    graft.into(draft, site)
    words = f"took `{lent.text}` from {lender.program_id[:8]} in place of `{old}` in {draft.function.name}"
    return Change(words + graft.brings(), lender.program_id)


def splice(draft: Draft, rng: np.random.Generator, others: Sequence[Parent]) -> Change:
    """A statement of another parent set in before one of this program, which reads its local."""
    lender, donor, sites = _donor(draft, rng, others)
    known = {ast.unparse(statement) for statement, _, _ in bindings(draft.function.body)}
    names = {id(statement): name for statement, name, _ in bindings(donor.function.body)}
    lent = pick([e for e in sites if e.holder is e.statement and ast.unparse(e.statement) not in known], rng)
    if id(lent.statement) not in names:
        raise Unsuitable("the statement returns")
    site = pick([each for each in draft.survey().sites if each.kind == lent.kind], rng)
    old, name = site.text, fresh(names[id(lent.statement)], draft.names())
    graft = graft_of_donor(draft, site, donor, lent)
    line = f"{name} = {graft.result}"
    graft.statements.append(line)
    graft.result = name
    graft.into(draft, site)
    words = f"took `{line}` from {lender.program_id[:8]} and put `{name}` in place of `{old}`"
    return Change(f"{words} in {draft.function.name}{graft.brings()}", lender.program_id)


def simplify(draft: Draft, rng: np.random.Generator, _: Sequence[Parent]) -> Change:
    """What does not matter, gone."""
    gone = [*fold(draft.tree), *draft.drop_dead()]
    if not gone:
        raise Unsuitable("everything matters")
    return Change(f"removed what did nothing: `{'`, `'.join(gone)}`")


def _put(draft: Draft, site: Site, text: str) -> Change:
    old = site.text
    if old == text:
        raise Unsuitable("the expression is what stands there")
    site.put(expression(text))
    return Change(f"replaced `{old}` by `{text}` in {draft.function.name}")


def _parts(site: Site, sites: Sequence[Site]) -> list[Site]:
    """The sites of the same kind inside a site."""
    within = set(map(id, ast.walk(site.node))) - {id(site.node)}
    return [each for each in sites if each.kind == site.kind and id(each.node) in within]


def _operator_on(draft: Draft, kind: Kind, rng: np.random.Generator) -> Operator:
    """An operator that takes and yields a kind; what a full tensor suits suits one that broadcasts."""
    wanted = "tensor" if kind == "reduced" else base(kind)
    fitting = [e for e in draft.vocabulary.operators if result_of(e) == wanted and wanted in e.arguments]
    return pick(fitting, rng, [each.weight for each in fitting])


def _applied(
    draft: Draft, operator: Operator, text: str, site: Site, rng: np.random.Generator, depth: int
) -> str:
    """The operator on an expression of the site's kind, other operands grown."""
    wanted = "tensor" if site.kind == "reduced" else base(site.kind)
    place = pick([index for index, each in enumerate(operator.arguments) if each == wanted], rng)
    texts = [
        text if index == place else draft.grow(meant(each, site.kind), site.scope, rng, depth)
        for index, each in enumerate(operator.arguments)
    ]
    return fill(operator.template, texts)


def _donor(
    draft: Draft, rng: np.random.Generator, others: Sequence[Parent]
) -> tuple[Parent, Draft, list[Site]]:
    lender = pick(others, rng)
    donor = Draft(lender.source, draft.vocabulary)
    sites = donor.survey().sites
    return lender, donor, [e for e in sites if sum(1 for _ in ast.walk(e.node)) <= LARGEST_LOAN]


def _reads(node: ast.stmt, name: str) -> bool:
    parts = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return any(part.id == name and isinstance(part.ctx, ast.Load) for part in parts)
