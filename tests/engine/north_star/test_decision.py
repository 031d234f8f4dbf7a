"""Exactly one of four decisions, whatever the intervals say; a tie goes to the known method."""

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recevolve.engine.north_star.decision import MOST, Decision, Rival, Verb, decide, recorded
from recevolve.evaluators.statistics import Interval

EVOLVED = "1a2b3c4d5e6f7a8b"


def interval(estimate: float, reach: float) -> Interval:
    return Interval(estimate, estimate - reach, estimate + reach, 0.975, 10)


def rival(name: str, estimate: float, reach: float = 1.0, lead: float | None = None) -> Rival:
    """A program with a gain over production; `lead` is that of the evolved program over it."""
    return Rival(name, interval(estimate, reach), None if lead is None else interval(lead, 1.0))


def decided(evolved: Rival | None, *known: Rival, **more: Any) -> Decision:
    return decide("log_loss", "adagrad", evolved, known, **more)


def test_a_program_ahead_of_production_and_of_every_known_method_is_launched() -> None:
    found = decided(rival(EVOLVED, 4), rival("ftrl", 0.5, lead=3.5), rival("adam", 2.5, lead=1.5))
    assert (found.verb, found.program, found.resolves) == (Verb.LAUNCH, EVOLVED, 1.0)
    assert found.line == (
        "launch 1a2b3c4d: log loss better than adagrad by 4.0000 [3.0000, 5.0000], ahead of every known "
        "method measured (next: adam +2.5000 [+1.5000, +3.5000]); this run resolves ±1.0000"
    )


def test_a_tie_with_a_known_method_that_beats_production_goes_to_the_known_method() -> None:
    found = decided(rival(EVOLVED, 4), rival("ftrl", 3.5, lead=0.5))
    assert (found.verb, found.program) == (Verb.SWITCH, "ftrl")
    assert "the evolved 1a2b3c4d is level with it within noise (+0.5000" in found.line
    worse = decided(rival(EVOLVED, 1.5), rival("ftrl", 3.5, lead=-2.0))
    assert (worse.verb, worse.program) == (Verb.SWITCH, "ftrl")
    assert "behind it beyond noise" in worse.line


def test_a_tie_with_a_known_method_that_does_not_beat_production_is_undecided_and_names_both() -> None:
    found = decided(rival(EVOLVED, 1.2), rival("ftrl", 0.9, lead=0.3))
    assert (found.verb, found.program, found.times) == (Verb.UNDECIDED, "", 2)
    assert "1a2b3c4d" in found.line
    assert "level with ftrl" in found.line
    assert "2 times the rows or folds would decide" in found.line


def test_a_tie_with_any_known_method_is_no_launch_and_the_better_known_method_is_named() -> None:
    found = decided(rival(EVOLVED, 4), rival("ftrl", 0.5, lead=3.5), rival("adam", 3.8, lead=0.2))
    assert (found.verb, found.program) == (Verb.SWITCH, "adam")


def test_a_known_method_may_win_where_the_search_found_nothing() -> None:
    found = decided(None, rival("ftrl", 3))
    assert (found.verb, found.program) == (Verb.SWITCH, "ftrl")
    assert "evolution added nothing" in found.line


def test_only_the_known_method_that_was_chosen_before_is_tested_against_production() -> None:
    """The best of many on the claim split would be another choice on the data that must be untouched."""
    assert decided(None, rival("ftrl", -1), rival("adam", 3)).verb is Verb.KEEP


@pytest.mark.parametrize(
    ("estimate", "reach", "verb", "times"),
    [
        (1.0, 2.0, Verb.UNDECIDED, 4),
        (1.0, 1.0, Verb.UNDECIDED, 2),
        (1.0, 1.5, Verb.UNDECIDED, 3),
        (1.0, 5.0, Verb.UNDECIDED, 25),
        (1.0, 5.1, Verb.KEEP, None),
        (0.0, 1.0, Verb.KEEP, None),
        (-1.0, 0.5, Verb.KEEP, None),
        (-1.0, 2.0, Verb.KEEP, None),
        (1.0, 0.99, Verb.LAUNCH, None),
    ],
)
def test_what_more_rows_would_decide(estimate: float, reach: float, verb: Verb, times: int | None) -> None:
    found = decided(rival(EVOLVED, estimate, reach))
    assert (found.verb, found.times) == (verb, times)
    assert found.resolves == pytest.approx(reach)


def test_the_better_of_both_is_who_is_undecided() -> None:
    assert (
        "log loss of ftrl against adagrad" in decided(rival(EVOLVED, 0.2), rival("ftrl", 0.5, lead=-0.3)).line
    )


def test_without_a_rival_production_stays_and_the_race_says_what_was_nearest() -> None:
    assert decided(None).line == "keep adagrad: no other program could be compared with it"
    found = decided(None, raced=rival("ftrl", -2, 0.5))
    assert found.line.startswith(
        "keep adagrad: nothing proved better (best on the selection split: ftrl -2.0000"
    )
    assert found.resolves == 0.5


def test_an_estimate_is_called_one() -> None:
    assert "estimated log loss better than adagrad" in decided(rival(EVOLVED, 4), estimated=True).line


numbers = st.floats(-5, 5).map(lambda value: round(value, 3))
rivals = st.builds(
    lambda estimate, reach, lead: rival("known", estimate, reach, lead), numbers, st.floats(0, 5), numbers
)


@example(rival(EVOLVED, 0.0, 0.0), [rival("known", 1.0, 0.0, 2.0)])  # a lead that contradicts the gains
@given(
    st.none() | st.builds(lambda a, b: rival(EVOLVED, a, b), numbers, st.floats(0, 5)),
    st.lists(rivals, max_size=3),
)
def test_what_each_decision_promises_holds_for_any_intervals(
    evolved: Rival | None, known: list[Rival]
) -> None:
    known = known if evolved else [Rival(one.program, one.gain) for one in known]
    found = decided(evolved, *known)
    match found.verb:
        case Verb.LAUNCH:
            assert evolved is not None
            assert evolved.better
            assert not any(one.level for one in known)
        case Verb.SWITCH:
            assert any(one.better and one.level for one in known)
        case Verb.UNDECIDED:
            assert 2 <= (found.times or 0) <= MOST
            assert found.gain is not None
            assert found.gain.estimate > 0
        case Verb.KEEP:
            assert evolved is None or not evolved.better
    assert found.line.startswith(str(found.verb))
    assert math.isfinite(found.resolves or 0.0)


def test_a_report_of_an_earlier_release_has_the_decision_of_its_gain() -> None:
    report = {
        "production": "adagrad",
        "winner": {"program": EVOLVED},
        "gain": {"beyond_noise": True, "sentence": "A gain."},
    }
    assert recorded(report)["decision"] == "launch"
    assert recorded(report)["program"] == EVOLVED
    report["gain"] = {"beyond_noise": False, "sentence": "No gain."}
    assert (recorded(report)["decision"], recorded(report)["program"]) == ("keep", "adagrad")
    made = decided(rival(EVOLVED, 4)).to_json()
    assert recorded({**report, "decision": made}) == made
