"""The mixture: who is asked, who stands in, what a candidate earns, and what is learnt from it."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from recevolve.engine.loop.proposer import NoProposal, Parent, Place, Proposal, Proposer, Request
from recevolve.engine.propose.mixture import (
    TUNED,
    TUNED_AT_MOST,
    TUNED_MORE,
    Mixture,
    credit,
    fixed,
    judging,
    paid,
)
from recevolve.population.archive.views import Views
from recevolve.population.island.randomness import generator
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.member import Member
from recevolve.population.values.origin import Origin, Spend
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

MODEL = "openai/x edits"


@dataclass
class Notes:
    """An archive of what generations noted, and of some evaluations."""

    noted: dict[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)
    evaluations: dict[str, list[Evaluation]] = field(default_factory=dict)

    def evaluations_of(self, program_id: str) -> list[Evaluation]:
        return self.evaluations.get(program_id, [])

    def statistics(self, island: int, generation: int) -> Mapping[str, Any]:
        return self.noted.get((island, generation), {})


@dataclass
class Says:
    """A proposer with one answer; a NoProposal is raised."""

    answer: Proposal | NoProposal
    asked: int = 0

    async def propose(self, request: Request) -> Proposal:
        self.asked += 1
        if isinstance(self.answer, NoProposal):
            raise self.answer
        return self.answer


def proposal(words: str) -> Proposal:
    return Proposal(f"# {words}\n", ("p",), "whoever", words)


def mixture(arms: Mapping[str, Proposer], notes: Notes | None = None, **options: Any) -> Mixture:
    return Mixture(arms, cast(Views, notes or Notes()), 0, **options)


def request(slot: int, generation: int = 1) -> Request:
    return Request(Place(0, generation, slot), (Parent("p", ""),), generator(0, "propose", slot))


def ask(mix: Mixture, slot: int = 0) -> Proposal:
    return asyncio.run(mix.propose(request(slot)))


def population(*scores: float) -> tuple[Member, ...]:
    return tuple(Member(f"m{n}", "", score, f"b{n}", (), 1) for n, score in enumerate(scores))


def born(score: float | None, parent: str = "m2", stage: str = "proxy 1", **changes: Any) -> Evaluation:
    verdict = (
        Verdict(Status.SCORED, Metric(score)) if score is not None else Verdict(Status.CRASHED, reason="no")
    )
    program = Program("toy", f"{score}", (parent,), "syntax", "")
    return replace(Evaluation(0, 1, 0, program, "", verdict, stage, origin=Origin("syntax")), **changes)


BEFORE = population(4.0, 3.0, 2.0, 1.0)
TOTAL = 1 + 1 / 2 + 1 / 3 + 1 / 4


SPREAD = 2.0
"""How far the best of BEFORE is ahead of its median."""


def size(gain: float) -> float:
    return gain / (gain + SPREAD)


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        (born(2.5), 1 / 3 / TOTAL * size(0.5)),  # ahead of its parent alone
        (born(3.5), (1 / 2 + 1 / 3) / TOTAL * size(1.5)),
        (born(9.0, "m3"), size(8.0)),  # the last's child becomes the best
        (born(9.0, "m0"), 1 / TOTAL * size(5.0)),
        (born(9.0, "elsewhere"), 1 / TOTAL * size(5.0)),  # a stranger's child has only the best to overtake
        (born(2.0), 0.0),  # a draw is no gain
        (born(1.5), 0.0),
        (born(None), 0.0),
        (born(9.0, stage="proxy 0"), 0.0),  # culled: its score is of another rung
        (born(9.0, stage="duplicate", duplicate_of="m0"), 0.0),
    ],
)
def test_credit_counts_the_members_newly_overtaken_and_by_how_much(
    evaluation: Evaluation, expected: float
) -> None:
    assert credit(evaluation, BEFORE, 2) == pytest.approx(expected)


def test_worth_has_no_scale_and_ends_at_one() -> None:
    scaled = tuple(replace(one, score=one.score * 1e-6) for one in BEFORE)
    assert credit(born(3.5e-6), scaled, 2) == pytest.approx(credit(born(3.5), BEFORE, 2))
    assert credit(born(1e9, "m3"), BEFORE, 2) == pytest.approx(1.0)
    assert credit(born(1.0), (), 2) == 0.0
    alone = population(1.0)
    assert credit(born(1.5, "m0"), alone, 2) == 1.0


def test_ten_small_gains_are_worth_less_than_one_large_one() -> None:
    small = [credit(born(4.0 + step / 100, "m0"), BEFORE, 2) for step in range(1, 11)]
    assert max(small) > 0
    assert sum(small) < credit(born(14.0, "m0"), BEFORE, 2)


def cost(evaluation: Evaluation, dollars: float, rungs: int) -> float:
    return paid(evaluation.origin.spend) + judging(evaluation, dollars, rungs)


def test_cost_is_what_models_took_and_the_rungs_that_were_run() -> None:
    dollars = 0.01
    full, half = (cost(born(1.0, stage=stage), dollars, 2) for stage in ("proxy 1", "proxy 0"))
    examined = cost(born(None, stage="properties"), dollars, 2)
    idle = [
        cost(born(None, stage="static"), dollars, 2),
        cost(born(1.0, stage="duplicate", duplicate_of="m0"), dollars, 2),
    ]
    assert full == pytest.approx(dollars)
    assert full > half > examined > idle[0] == idle[1] > 0
    spend = Spend(calls=1, tokens_in=900, tokens_out=100, dollars=0.5)
    assert cost(born(1.0, origin=Origin("m", spend=spend)), dollars, 2) == pytest.approx(0.51)
    unpriced = Spend(calls=1, tokens_in=900_000, tokens_out=100_000, unpriced=1_000_000)
    assert cost(born(1.0, origin=Origin("m", spend=unpriced)), dollars, 2) == pytest.approx(5.01)


def test_fixed_shares_are_kept_over_a_generation_and_split_over_the_models() -> None:
    names = ("syntax", "constants", MODEL, "openai/x whole")
    mix = mixture(
        {name: Says(proposal(name)) for name in names},
        shares={"syntax": 0.5, "constants": 0.2, "models": 0.3},
    )
    for generation in (1, 2):
        counts = Counter(mix.choice(0, generation, slot) for slot in range(100))
        assert counts["syntax"] == pytest.approx(50, abs=2)
        assert counts["constants"] == pytest.approx(20, abs=2)
        assert counts[MODEL] == pytest.approx(15, abs=2)
    chosen = [[mix.choice(0, generation, slot) for slot in range(20)] for generation in (1, 2)]
    assert chosen[0] != chosen[1]


def test_fixed_shares_are_normalised_and_must_leave_somebody() -> None:
    assert fixed({"syntax": 0.3, "constants": 0.3}, ("constants", "syntax")) == {
        "syntax": 0.5,
        "constants": 0.5,
    }
    assert fixed({"syntax": 0.2, "models": 0.8}, ("syntax",)) == {"syntax": 1.0}
    assert fixed({"syntax": 1.0}, ("syntax", MODEL)) == {"syntax": 1.0, MODEL: 0.0}
    with pytest.raises(ValueError, match="give one of them a share"):
        fixed({"models": 1.0}, ("syntax", "constants"))


def test_the_arm_signs_what_it_made() -> None:
    made = ask(mixture({"syntax": Says(proposal("s"))}))
    assert (made.made_by, made.instead_of, made.outcome) == ("syntax", "", "proposed")


@pytest.mark.parametrize("outcome", ["timed_out", "unavailable", "capped", "rejected"])
def test_the_free_arm_stands_in_for_one_that_is_not_to_be_had(outcome: str) -> None:
    spend = Spend(calls=1, unanswered=7)
    absent = Says(NoProposal("no answer", outcome, spend))
    mix = mixture({"syntax": Says(proposal("s")), MODEL: absent}, shares={"models": 1.0})
    made = ask(mix)
    assert absent.asked == 1
    assert (made.made_by, made.instead_of, made.outcome, made.spend) == ("syntax", MODEL, outcome, spend)


def test_an_answer_that_was_no_use_is_not_covered_up() -> None:
    free = Says(proposal("s"))
    mix = mixture(
        {"syntax": free, MODEL: Says(NoProposal("nonsense", "unusable", Spend(calls=2)))},
        shares={"models": 1.0},
    )
    with pytest.raises(NoProposal, match="nonsense") as caught:
        ask(mix)
    assert (caught.value.proposer, caught.value.outcome, caught.value.spend) == (
        MODEL,
        "unusable",
        Spend(calls=2),
    )
    assert free.asked == 0


def test_where_the_free_arm_has_nothing_either_the_chosen_one_is_named() -> None:
    mix = mixture(
        {"syntax": Says(NoProposal("stuck")), MODEL: Says(NoProposal("down", "unavailable", Spend(calls=1)))},
        shares={"models": 1.0},
    )
    with pytest.raises(NoProposal, match="stuck") as caught:
        ask(mix)
    assert (caught.value.proposer, caught.value.outcome, caught.value.spend) == (
        MODEL,
        "unavailable",
        Spend(calls=1),
    )
    with pytest.raises(NoProposal, match="stuck") as caught:
        ask(mixture({"syntax": Says(NoProposal("stuck"))}))
    assert (caught.value.proposer, caught.value.outcome) == ("syntax", "nothing new")


def test_constants_with_nothing_to_tune_leave_the_slot_to_syntax_and_lose_nothing_by_it() -> None:
    mix = mixture(
        {"syntax": Says(proposal("s")), "constants": Says(NoProposal("done", "nothing to tune"))},
        shares={"constants": 1.0},
    )
    made = ask(mix)
    assert (made.made_by, made.instead_of) == ("syntax", "constants")
    covered = born(3.5, origin=Origin("constants", outcome="nothing to tune", stand_in="syntax"))
    state = mix.learn({}, [covered], BEFORE)
    assert set(state) == {"syntax"}


def test_credit_goes_to_the_maker_and_the_bill_to_whom_was_asked() -> None:
    mix = mixture(
        {"syntax": Says(proposal("s")), MODEL: Says(proposal("m"))}, evaluation_dollars=0.01, rungs=2
    )
    origin = Origin(MODEL, outcome="timed_out", stand_in="syntax", spend=Spend(dollars=0.25))
    state = mix.learn({}, [born(3.5, origin=origin)], BEFORE)
    assert state["syntax"]["credit"] == pytest.approx((1 / 2 + 1 / 3) / TOTAL * size(1.5))
    assert state["syntax"]["cost"] == pytest.approx(0.01)
    assert (state[MODEL]["credit"], state[MODEL]["away"], state[MODEL]["pulls"]) == (0.0, 1, 0)
    assert state[MODEL]["cost"] == pytest.approx(0.25)
    assert json.loads(json.dumps(state)) == state


def test_who_made_a_structure_shares_in_what_tuning_it_gains() -> None:
    asked, tuned = Origin(MODEL), Origin("constants")
    family = {
        "m2": [
            born(2.0, "m1", island=1, origin=Origin("syntax")),
            born(2.0, "tuned before", generation=7, origin=tuned),
        ],
        "tuned before": [born(1.9, "made", generation=6, origin=tuned)],
        "made": [
            born(1.5, "seed", generation=5, origin=asked),
            born(1.5, generation=6, origin=Origin("syntax")),
        ],
    }
    arms = {name: Says(proposal(name)) for name in ("syntax", "constants", MODEL)}
    child = born(3.5, generation=8, origin=tuned)
    whole = credit(child, BEFORE, 2)
    state = mixture(arms, Notes(evaluations=family), rungs=2).learn({}, [child], BEFORE)
    assert state[MODEL] == {
        "pulls": 0,
        "weight": 0.0,
        "credit": pytest.approx(whole / 2),
        "cost": 0.0,
        "away": 0,
    }
    assert state["constants"]["credit"] == pytest.approx(whole / 2)
    assert "syntax" not in state, "what was born elsewhere, or later, is not this structure's making"
    state = mixture(arms, Notes(), rungs=2).learn({}, [child], BEFORE)
    assert set(state) == {"constants"}, "nobody here made a migrant"


def test_an_answer_of_no_use_is_a_pull_without_credit() -> None:
    mix = mixture({"syntax": Says(proposal("s")), MODEL: Says(proposal("m"))}, rungs=2)
    origin = Origin(MODEL, outcome="refused", spend=Spend(dollars=0.5))
    lost = born(4.0, stage="duplicate", duplicate_of="m0", origin=origin)
    state = mix.learn({}, [lost, born(1.0, origin=Origin())], BEFORE)
    assert set(state) == {MODEL}, "seeds have no arm and teach nothing"
    assert (state[MODEL]["pulls"], state[MODEL]["credit"], state[MODEL]["away"]) == (1, 0.0, 0)
    assert state[MODEL]["cost"] > 0.5


def test_slots_follow_what_the_island_noted_and_no_other() -> None:
    notes = Notes()
    mix = mixture({MODEL: Says(proposal("c")), "syntax": Says(proposal("s"))}, notes, rungs=2)
    evaluations = [born(3.5, origin=Origin(MODEL))] * 40 + [born(1.0)] * 40
    notes.noted[0, 4] = {"mixture": mix.learn({}, evaluations, BEFORE)}
    counts = [Counter(mix.choice(island, 5, slot) for slot in range(100))[MODEL] for island in (0, 1)]
    assert counts[0] > 85
    assert counts[1] < 75
    again = mixture({"syntax": Says(proposal("s")), MODEL: Says(proposal("c"))}, notes, rungs=2)
    assert [again.choice(0, 5, slot) for slot in range(50)] == [mix.choice(0, 5, slot) for slot in range(50)]


def test_the_tuner_is_held_back_while_structures_gain_and_let_go_where_they_do_not() -> None:
    notes = Notes()
    arms = {name: Says(proposal(name)) for name in ("constants", "syntax", MODEL)}
    mix = mixture(arms, notes, rungs=2)
    state = mix.learn({}, [born(3.5, origin=Origin("constants"))] * 60 + [born(1.0)] * 20, BEFORE)

    def share(gained: int) -> float:
        notes.noted[0, 9] = {"mixture": state, "progression": {"best": 1.0, "gained": gained, "restarted": 0}}
        beliefs = {one.arm: one.share for one in mix.beliefs(state, 0, 10)}
        assert sum(beliefs.values()) == pytest.approx(1.0)
        return beliefs["constants"]

    assert share(gained=9) == pytest.approx(TUNED)
    assert share(gained=7) == pytest.approx(TUNED + 2 * TUNED_MORE)
    assert share(gained=0) == pytest.approx(min(TUNED_AT_MOST, TUNED + 9 * TUNED_MORE))
    alone = mixture({"constants": arms["constants"]}, notes, rungs=2)
    assert alone.beliefs(state, 0, 10)[0].share == pytest.approx(1.0)
