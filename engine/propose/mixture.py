"""Mixture: many proposers behind one, each slot given to the one that earns most per dollar."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from ...population.archive.views import Views
from ...population.island.randomness import generator
from ...population.values.evaluation import Evaluation
from ...population.values.member import Member, ranked
from ...population.values.origin import Spend
from ..loop.proposer import NoProposal, Proposal, Proposer, Request
from .bandit import Belief, Pull, State, after, believed

SYNTAX, CONSTANTS, MODELS = "syntax", "constants", "models"
ABSENT = frozenset({"timed_out", "unavailable", "capped", "rejected"})
"""Outcomes that say that a proposer was not to be had, and nothing of what it can do."""
COVERED = ABSENT | {"nothing to tune"}
"""Outcomes after which the free proposer stands in."""
UNPRICED = 5e-6
"""US dollars taken for a token of unknown price: 3 a million in, 15 out, one in six out. A belief of the
bandit alone; no account uses it."""
SLOT = 0.1
"""Share of an evaluation that a slot is worth, so that a proposer of duplicates is not free."""
EXAMINED = 0.05
"""Share of an evaluation that the property tests cost."""
STRUCTURE = 0.5
"""Share of a tuned child's worth that belongs to who made its structure: without that there was nothing to
tune, and a bandit that sees only the gains of the day would tune what there is for ever."""
GOLDEN = (5**0.5 - 1) / 2
TUNED, TUNED_MORE, TUNED_AT_MOST = 0.15, 0.05, 0.5
"""The tuner's largest share after a gain, how much it grows with each generation without, and its end."""
_REMEMBERED = 64


def credit(evaluation: Evaluation, before: Sequence[Member], rungs: int) -> float:
    """What an evaluation was to its island, from 0, nothing, to 1. Free of the score's scale.

    The weights of the members that it overtakes and its first parent did not, times g / (g + s): g is the
    gain over the parent, s how far the island's best is ahead of its median. The member of rank r weighs
    1/(r + 1), all of them together 1. The second factor is there because a tuner's many small gains are worth
    less than a few large ones. A parent that is not on the island counts as its best. Without a score, culled
    before the last of `rungs`, or a duplicate: 0.
    """
    score = evaluation.verdict.score
    if score is None or evaluation.duplicate_of or evaluation.stage != f"proxy {rungs - 1}" or not before:
        return 0.0
    order = ranked(tuple(before))
    scores = {one.program_id: one.score for one in order}
    parent = scores.get(next(iter(evaluation.program.parents), ""), order[0].score)
    gain, spread = score.value - parent, order[0].score - order[len(order) // 2].score
    if gain <= 0:
        return 0.0
    weights = [1 / (rank + 1) for rank in range(len(order))]
    overtaken = [
        weight
        for weight, one in zip(weights, order, strict=True)
        if score.value > one.score and parent <= one.score
    ]
    return sum(overtaken) / sum(weights) * gain / (gain + spread)


def paid(spend: Spend) -> float:
    """US dollars for models; tokens of unknown price at UNPRICED each."""
    return spend.dollars + UNPRICED * spend.unpriced


def judging(evaluation: Evaluation, evaluation_dollars: float, rungs: int) -> float:
    """US dollars that judging a candidate takes: its slot, and the share of the rungs that it ran."""
    stage, _, rung = evaluation.stage.partition(" ")
    if evaluation.duplicate_of or stage not in ("properties", "proxy"):
        return SLOT * evaluation_dollars
    ran = (int(rung) + 1) / rungs if stage == "proxy" else 0.0
    return (SLOT + EXAMINED + (1 - SLOT - EXAMINED) * ran) * evaluation_dollars


class Mixture:
    """A proposer that asks, for each slot, one of several.

    `shares` is "bandit", or a share for each of `syntax`, `constants` and `models`; that of the models is
    split evenly over those that are neither of the other two. The bandit's state belongs to an island: it
    is what `learn` gave after the generation before, read from the archive's statistics under "mixture".
    `evaluation_dollars` is what judging one candidate is worth, `rungs` how many there are.
    """

    def __init__(
        self,
        proposers: Mapping[str, Proposer],
        archive: Views,
        seed: int,
        *,
        shares: Literal["bandit"] | Mapping[Any, float] = "bandit",
        evaluation_dollars: float = 0.005,
        rungs: int = 3,
    ) -> None:
        """ValueError where the shares leave every proposer without one."""
        self.proposers = dict(sorted(proposers.items()))
        self._archive = archive
        self._seed = seed
        self._dollars = evaluation_dollars
        self._rungs = rungs
        self._fixed = None if shares == "bandit" else fixed(shares, tuple(self.proposers))
        self._dealt = lru_cache(_REMEMBERED)(self._deal)

    async def propose(self, request: Request) -> Proposal:
        """The chosen one's proposal. Where it is not to be had, that of the free one, which names it.

        NoProposal, with its name, where the chosen one was to be had and found nothing.
        """
        proposer = self.choice(request.place.island, request.place.generation, request.place.slot)
        try:
            return replace(await self.proposers[proposer].propose(request), made_by=proposer)
        except NoProposal as none:
            if none.outcome not in COVERED or proposer == SYNTAX or SYNTAX not in self.proposers:
                raise NoProposal(str(none), none.outcome, none.spend, proposer) from none
            outcome, spend = none.outcome, none.spend
        try:
            made = await self.proposers[SYNTAX].propose(request)
        except NoProposal as none:
            raise NoProposal(str(none), outcome, spend + none.spend, proposer) from none
        return replace(made, made_by=SYNTAX, instead_of=proposer, outcome=outcome, spend=made.spend + spend)

    def choice(self, island: int, generation: int, slot: int) -> str:
        """The proposer of a slot. Over a generation each gets its share of the slots, to within about one."""
        start, edges = self._dealt(island, generation)
        place = (start + slot * GOLDEN) % 1.0
        return list(self.proposers)[min(int(np.searchsorted(edges, place, side="right")), len(edges) - 1)]

    def _deal(self, island: int, generation: int) -> tuple[float, np.ndarray]:
        """Where the generation's slots begin in [0, 1), and where each proposer's part of it ends."""
        start = generator(self._seed, "mixture", island, generation, "slots").random()
        shares = [one.share for one in self.beliefs(self.state(island, generation - 1), island, generation)]
        return start, np.cumsum(shares)

    def state(self, island: int, generation: int) -> State:
        """What the island had learnt after that generation; nothing where none was noted."""
        learnt: State = self._archive.statistics(island, generation).get("mixture", {})
        return learnt

    def learn(
        self, before: State, evaluations: Sequence[Evaluation], population: Sequence[Member]
    ) -> dict[str, Any]:
        """The state after a generation, plain JSON; `population` is the one that it began with."""
        proposed = (one for one in evaluations if one.origin.proposer)
        pulls = [pull for one in proposed for pull in self._pulls(one, population)]
        return after(before, pulls, len(evaluations))

    def _pulls(self, evaluation: Evaluation, population: Sequence[Member]) -> Iterator[Pull]:
        """What an evaluation tells of who was asked, of who stood in, and of who made the structure."""
        origin = evaluation.origin
        earned, judged = self.credit(evaluation, population), judging(evaluation, self._dollars, self._rungs)
        if origin.maker == CONSTANTS and earned:
            if architect := self._architect(evaluation):
                yield Pull(architect, STRUCTURE * earned, 0.0, lent=True)
            earned *= 1 - STRUCTURE
        if origin.stand_in:
            yield Pull(origin.stand_in, earned, judged)
            earned = judged = 0.0
        absent = origin.outcome in ABSENT
        if absent or not origin.stand_in:
            yield Pull(origin.proposer, earned, paid(origin.spend) + judged, absent)

    def _architect(self, evaluation: Evaluation) -> str:
        """The proposer whose structure was tuned, "" where that came from a seed or from elsewhere."""
        one: Evaluation | None = evaluation
        while one and one.origin.maker == CONSTANTS:
            parent = next(iter(one.program.parents), "")
            # evaluations on other islands may or may not be there yet, so they must not count
            own = (
                each
                for each in self._archive.evaluations_of(parent)
                if each.island == evaluation.island and each.generation < evaluation.generation
            )
            one = next(own, None)
        return one.origin.maker if one else ""

    def credit(self, evaluation: Evaluation, population: Sequence[Member]) -> float:
        """What an evaluation was to the island whose population was this, 0 to 1."""
        return credit(evaluation, population, self._rungs)

    def beliefs(self, state: State, island: int, generation: int) -> tuple[Belief, ...]:
        """What is believed of each proposer before that generation, its share of the slots included."""
        rng = generator(self._seed, "mixture", island, generation)
        most = ceilings(self._archive.statistics(island, generation - 1), generation)
        found = believed(state, tuple(self.proposers), self._dollars, rng, most)
        if self._fixed is None:
            return found
        return tuple(replace(one, share=self._fixed[one.arm]) for one in found)


def ceilings(notes: Mapping[str, Any], generation: int) -> dict[str, float]:
    """The largest share of the tuner in a generation, from what was noted with the one before.

    Numbers gain soon and structures late: a tuner that is given what it earns at once starves the search of
    structures, so it gets more only as the island goes longer without a gain.
    """
    idle = max(0, generation - 1 - int(notes.get("progression", {}).get("gained", generation - 1)))
    return {CONSTANTS: min(TUNED_AT_MOST, TUNED + TUNED_MORE * idle)}


def fixed(shares: Mapping[Any, float], proposers: Sequence[str]) -> dict[str, float]:
    """The share of each proposer, summing to 1, from those of `syntax`, `constants` and `models`.

    ValueError where no proposer has one.
    """
    models = [proposer for proposer in proposers if proposer not in (SYNTAX, CONSTANTS)]
    given = {proposer: shares.get(MODELS, 0.0) / len(models) for proposer in models}
    given |= {free: shares.get(free, 0.0) for free in (SYNTAX, CONSTANTS) if free in proposers}
    total = sum(given.values())
    if not total > 0:
        raise ValueError(
            f"mixture: the shares {dict(shares)} leave every proposer ({', '.join(proposers)}) without one; "
            "give one of them a share"
        )
    return {proposer: share / total for proposer, share in given.items()}
