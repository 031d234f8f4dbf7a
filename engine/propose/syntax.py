"""SyntaxProposer: new programs by typed edits of syntax trees. Needs no model, no key and no network."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...evaluators.simplify import remove_dead
from ...evaluators.static import Rules, canonical, check
from ...evaluators.vocabulary import Vocabulary
from . import edits, scale
from .draft import Draft, Unsuitable, pick
from .edits import Change, Edit
from .kinds import Kind
from .proposer import NoProposal, Parent, Proposal

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
    scale.scale_constant: 3.0,
    scale.scale_literal: 1.0,
}
"""The edits, and how often each is tried relative to the others."""
ANOTHER = 0.4
"""Chance of one more edit after each."""
MOST_EDITS = 3
MOST_TRIES = 60


class SyntaxProposer:
    """Proposes the first parent with one to three edits, some of which take parts from the others.

    Every product obeys the rules and differs from every parent in canonical form.
    """

    def __init__(self, vocabulary: Vocabulary, rules: Rules, edits: Mapping[Edit, float] = EDITS) -> None:
        self.vocabulary = vocabulary
        self.rules = rules
        self._edits = list(edits)
        self._weights = list(edits.values())

    async def propose(self, parents: Sequence[Parent], rng: np.random.Generator) -> Proposal:
        """One proposal, as `mutant` makes it."""
        return self.mutant(parents, rng)

    def mutant(self, parents: Sequence[Parent], rng: np.random.Generator) -> Proposal:
        """One proposal, a pure function of the arguments. NoProposal where no try gives anything new."""
        known = {canonical(parent.source) for parent in parents}
        for _ in range(MOST_TRIES):
            try:
                proposal = self._try(parents, rng)
            except Unsuitable:
                continue
            if not check(proposal.source, self.rules) and canonical(proposal.source) not in known:
                return proposal
        raise NoProposal(
            f"{MOST_TRIES} tries at {parents[0].program_id} gave nothing new that obeys the rules"
        )

    def _try(self, parents: Sequence[Parent], rng: np.random.Generator) -> Proposal:
        host, others = parents[0], parents[1:]
        draft = Draft(host.source, self.vocabulary)
        roles = draft.survey().roles()
        changes: list[Change] = []
        while not changes or (len(changes) < MOST_EDITS and rng.random() < ANOTHER):
            changes.append(pick(self._edits, rng, self._weights)(draft, rng, others))
        remove_dead(draft.tree, self.vocabulary.layout)
        if not _keeps_form(draft, roles):
            raise Unsuitable("a returned value has another shape now")
        lenders = dict.fromkeys(change.lender for change in changes if change.lender)
        words = "; ".join(change.words for change in changes)
        return Proposal(draft.text(), (host.program_id, *lenders), "syntax", words)


def _keeps_form(draft: Draft, before: Mapping[str, Kind]) -> bool:
    """Whether what is returned has the kinds that it had, and each state slot the kind it starts with."""
    after, slots = draft.survey().roles(), draft.slots()
    result = after.get("result") == before.get("result")
    return result and all(after.get(slot, kind) == kind for slot, kind in slots.items())
