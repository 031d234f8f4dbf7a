"""SyntaxProposer: new programs by typed edits of syntax trees. Needs no model, no key and no network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from ....evaluators.language.canonical import canonical
from ....evaluators.language.edit import Edit as OwnEdit
from ....evaluators.language.edit import Unsuitable, pick
from ....evaluators.language.rules import Rules
from ....evaluators.language.static import check
from ....evaluators.language.vocabulary import Vocabulary
from ...loop.proposer import NoProposal, Parent, Proposal, Request
from . import edits
from .edits import Change, Edit
from .expr_types import Kind
from .intervals import Intervals
from .tree import ProgramTree

Made = TypeVar("Made")

EDITS: Mapping[Edit, float] = {
    edits.replace: 3.0,
    edits.wrap: 2.0,
    edits.unwrap: 1.5,
    edits.exchange: 1.0,
    edits.operate: 1.0,
    edits.insert: 1.0,
    edits.delete: 1.0,
    edits.reorder: 0.3,
    edits.idiom: 3.0,
    edits.borrow: 2.5,
    edits.splice: 1.5,
    edits.simplify: 0.5,
    edits.scale_constant: 3.0,
    edits.scale_literal: 1.0,
}
"""The edits, and how often each is tried relative to the others."""
MOST_MISFITS = 8
_REMEMBERED = 256
MOST_TRIES = 60


@dataclass(frozen=True)
class Pace:
    """How far a proposal goes: the chance of one more edit after each, and the most there are."""

    another: float
    most: int


CAUTIOUS, BOLD = Pace(0.3, 3), Pace(0.65, 6)


class SyntaxProposer:
    """Proposes the first parent with one to three edits, some of which take parts from the others.

    Every product obeys the rules and differs from every parent in canonical form.
    """

    def __init__(
        self, vocabulary: Vocabulary, rules: Rules, own: Mapping[OwnEdit, float] | None = None
    ) -> None:
        """`own` are a kind's own edits, which then stand in place of EDITS."""
        self.vocabulary = vocabulary
        self.rules = rules
        self._own = own or {}
        self._form_of = lru_cache(_REMEMBERED)(lambda source: _form(ProgramTree(source, vocabulary)))

    async def propose(self, request: Request) -> Proposal:
        """One proposal, as `mutant` makes it."""
        return self.mutant(request.parents, request.rng, bold=request.bold)

    def mutant(self, parents: Sequence[Parent], rng: np.random.Generator, *, bold: bool = False) -> Proposal:
        """One proposal, a pure function of the arguments. NoProposal where no try gives anything new.

        A `bold` one makes about twice as many edits.
        """
        known = {canonical(parent.source) for parent in parents}
        form = None if self._own else self._form_of(parents[0].source)
        pace = BOLD if bold else CAUTIOUS
        for _ in range(MOST_TRIES):
            try:
                proposal = self._try(parents, form, rng, pace) if form else self._rewrite(parents, rng, pace)
            except Unsuitable:
                continue
            if not check(proposal.source, self.rules) and canonical(proposal.source) not in known:
                return proposal
        raise NoProposal(
            f"{MOST_TRIES} tries at {parents[0].program_id} gave nothing new that obeys the rules"
        )

    def _try(
        self, parents: Sequence[Parent], form: "_Form", rng: np.random.Generator, pace: "Pace"
    ) -> Proposal:
        host, others = parents[0], parents[1:]
        tree = ProgramTree(host.source, self.vocabulary)
        changes: list[Change] = []
        while not changes or (len(changes) < pace.most and rng.random() < pace.another):
            changes.append(_first_suitable(EDITS, rng, tree, rng, others))
        if not _form(tree).keeps(form):
            raise Unsuitable("what is returned is of another form now")
        tree.drop_dead()
        tree.import_what_is_used(self.rules.modules)
        lenders = dict.fromkeys(change.lender for change in changes if change.lender)
        words = "; ".join(change.words for change in changes)
        return Proposal(tree.text(), (host.program_id, *lenders), "syntax", words)

    def _rewrite(self, parents: Sequence[Parent], rng: np.random.Generator, pace: "Pace") -> Proposal:
        """The first parent after edits of the kind's own."""
        host, others = parents[0], parents[1:]
        source, words, lenders = host.source, list[str](), list[str]()
        while not words or (len(words) < pace.most and rng.random() < pace.another):
            made = _first_suitable(self._own, rng, source, [each.source for each in others], rng)
            source = made.source
            words.append(made.words)
            lenders += [] if made.lender is None else [others[made.lender].program_id]
        return Proposal(source, (host.program_id, *dict.fromkeys(lenders)), "syntax", "; ".join(words))


def _first_suitable(
    edits: Mapping[Callable[..., Made], float], rng: np.random.Generator, *given: Any
) -> Made:
    """What a random edit makes of what is given; Unsuitable where several found nothing to work on."""
    for _ in range(MOST_MISFITS):
        try:
            return pick(list(edits), rng, list(edits.values()))(*given)
        except Unsuitable:
            continue
    raise Unsuitable(f"{MOST_MISFITS} edits found nothing to work on")


@dataclass(frozen=True)
class _Form:
    """What an edit must not break, as far as it can be told without running the program."""

    result: Kind | None
    slots_fit: bool
    """Whether every state slot stays of the shape in which it starts."""
    leads: frozenset[str]
    """The leaves that the result follows as the vocabulary asks."""
    unsafe: int
    """Operations that may give what is not a finite number."""
    unread: frozenset[str]
    """Pinned constants that nothing reads."""

    def keeps(self, before: "_Form") -> bool:
        return (
            self.result == before.result
            and self.slots_fit
            and self.leads >= before.leads
            and self.unsafe <= before.unsafe
            and self.unread <= before.unread
        )


def _form(tree: ProgramTree) -> _Form:
    roles, slots = tree.types().roles(), tree.slots()
    followed = Intervals(tree)
    leans = followed.first.leans if followed.first else frozenset()
    return _Form(
        tree.pattern(roles.get("result")),
        all(roles.get(slot, kind) == kind for slot, kind in slots.items()),
        frozenset(name for name, sign in tree.vocabulary.follows.items() if (name, sign) in leans),
        len(followed.unsafe),
        tree.layout.pinned - followed.read,
    )
