"""Program and Verdict: content is identity, and what is no measurement is refused."""

import json
import math
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

finite = st.floats(allow_nan=False, allow_infinity=False)
metrics = st.builds(Metric, finite, st.none() | finite, st.integers(1, 10**6))
names = st.text("abc_", min_size=1, max_size=5)
numbers = st.dictionaries(names, finite, max_size=3)
verdicts = st.one_of(
    st.builds(Verdict, st.just(Status.SCORED), metrics, st.text(max_size=5), st.dictionaries(names, metrics)),
    st.builds(
        Verdict,
        st.sampled_from([status for status in Status if status is not Status.SCORED]),
        reason=st.text(min_size=1, max_size=5),
        facts=st.dictionaries(names, numbers | st.text(max_size=3), max_size=3),
        timings=numbers,
    ),
)


@given(verdicts)
def test_a_verdict_survives_json(verdict: Verdict) -> None:
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, True, "1.0", None])
def test_what_is_no_measurement_is_no_metric(number: float) -> None:
    with pytest.raises(ValueError, match="metric value must be a finite float"):
        Metric(number)
    if number is not None:
        with pytest.raises(ValueError, match="metric spread must be a finite float"):
            Metric(1.0, number)


def test_a_metric_counts_at_least_one_measurement() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Metric(1.0, None, 0)


@pytest.mark.parametrize("status", list(Status))
def test_a_score_belongs_to_scored_alone(status: Status) -> None:
    score = None if status is Status.SCORED else Metric(1.0)
    with pytest.raises(ValueError, match="belongs to SCORED alone"):
        Verdict(status, score, "a reason")
    if status is not Status.SCORED:
        with pytest.raises(ValueError, match="needs a reason"):
            Verdict(status)


def test_identity_is_kind_and_source_and_nothing_else() -> None:
    first = Program("reward", "x = 1", ("p",), "syntax", "because")
    assert first.id == Program("reward", "x = 1").id
    assert len({first.id, Program("reward", "x = 2").id, Program("kernel", "x = 1").id}) == 3
    assert len(first.id) == 16
    assert int(first.id, 16) >= 0
    with pytest.raises(FrozenInstanceError):
        first.source = "x = 3"  # type: ignore[misc]
