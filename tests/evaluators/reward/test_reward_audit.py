"""What the audit says of rewards whose behaviour is known, and what its picture shows."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from recevolve.evaluators.reward.audit.audit import Audit, Reward, audit, drawn, percentiles
from recevolve.evaluators.reward.audit.audit_text import findings, markdown
from recevolve.evaluators.reward.audit.picture import svg
from recevolve.evaluators.reward.logs.signals import SIMULATED, Signals

Array = NDArray[Any]
Rows = Mapping[str, Array]


def log(count: int = 2_000) -> dict[str, Array]:
    """Popular items are clicked more, heavy users answer surveys higher, the rest is independent."""
    rng = np.random.default_rng(1)
    popularity, heavy = rng.random(count), (rng.random(count) < 0.3).astype(float)
    return {
        "click": popularity**2,
        "watch": rng.lognormal(3.0, 0.5, count),
        "like": rng.beta(1.0, 50.0, count),
        "survey": rng.standard_normal(count) + 2.0 * heavy,
        "item": rng.integers(0, 50, count).astype(float),
        "popularity": popularity,
        "heavy": heavy,
        "hated": (rng.random(count) < popularity).astype(float),
    }


def audited(reward: Reward, sample: Rows | None = None, signals: Signals = SIMULATED) -> Audit:
    return audit(reward, signals, log() if sample is None else sample, np.random.default_rng(0))


def hump(rows: Rows) -> Array:
    value: Array = rows["click"] * (1.0 - rows["click"]) + rows["survey"]
    return value


def test_slopes_of_a_linear_reward_are_those_of_its_text() -> None:
    sample = log()
    found = audited(lambda rows: 2.0 * rows["click"] - 0.01 * rows["watch"], sample)
    spread = found.scale.spread
    for one, weight in zip(found.slopes, (2.0, -0.01, 0.0, 0.0), strict=True):
        low, high = np.quantile(sample[one.signal.name], (0.25, 0.75))
        assert one.mean == pytest.approx(weight * (high - low) / spread, rel=1e-6, abs=1e-12)
        assert (one.falls, one.flat) == (float(weight < 0.0), float(weight == 0.0))


def test_elasticity_is_the_exponent_of_a_power_and_unknown_below_zero() -> None:
    found = audited(lambda rows: rows["watch"] ** 1.5 * rows["click"] ** 0.5)
    assert found.slopes[0].elasticity == pytest.approx([0.5] * 3, rel=1e-2)
    assert found.slopes[1].elasticity == pytest.approx([1.5] * 3, rel=1e-2)
    assert found.slopes[3].elasticity[0] is None


def test_counter_examples_are_real_and_ordered() -> None:
    click, _, _, survey = audited(hump).raised
    assert 0.1 < click.against < 0.9
    assert survey.against == 0.0
    assert survey.worst == ()
    losses = []
    for one in click.worst:
        row = {name: np.array([value]) for name, value in one.row.items()}
        assert one.low < one.high
        assert hump({**row, "click": np.array([one.low])}) == one.reward_low
        assert hump({**row, "click": np.array([one.high])}) == one.reward_high
        losses.append(one.reward_low - one.reward_high)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] > 0.0


@pytest.mark.parametrize(("better", "against"), [(1, 1.0), (0, 0.0), (-1, 0.0)])
def test_what_is_wanted_decides_what_is_against_it(better: int, against: float) -> None:
    rows = [{**row, "better": better if row["name"] == "watch" else 1} for row in SIMULATED.to_json()]
    found = audited(lambda rows: -rows["watch"], signals=Signals.of(rows))
    assert found.raised[1].against == against


def test_a_reward_that_follows_popularity_is_told_apart() -> None:
    found = audited(lambda rows: rows["click"])
    (popularity,) = [one for one in found.groupings if one.context.name == "popularity"]
    assert [group.top for group in popularity.groups] == [0.0] * 9 + [1.0]
    assert [group.percentile for group in popularity.groups] == sorted(
        group.percentile for group in popularity.groups
    )
    told = " ".join(findings(found))
    assert "follows `popularity`: rank correlation +1.00" in told
    assert "100.0 % of its top tenth lie in tenth 10 of 10 by `popularity`" in told
    assert "runs against the outcome `hated`" in told


def test_groups_show_whom_a_reward_favours_and_identities_are_none() -> None:
    found = audited(lambda rows: rows["survey"])
    heavy = next(one for one in found.groupings if one.context.name == "heavy")
    assert [group.label for group in heavy.groups] == ["0", "1"]
    assert heavy.groups[1].percentile > 0.7 > 0.5 > heavy.groups[0].percentile
    assert heavy.groups[1].top > 2.0 * heavy.groups[1].share
    assert {one.context.name for one in found.groupings} == {"popularity", "heavy"}


def test_a_constant_favours_nobody() -> None:
    found = audited(lambda rows: np.zeros_like(rows["click"]))
    assert all(one.flat == 1.0 for one in found.slopes)
    assert all(value == 0.0 for _, value in found.correlations)
    assert found.reversals.pairs == 0
    for grouping in found.groupings:
        for group in grouping.groups:
            assert group.percentile == 0.5
            assert group.top == pytest.approx(group.share, abs=0.1)


def test_the_scale_of_a_reward_changes_nothing_but_the_scale() -> None:
    one, other = audited(hump), audited(lambda rows: 3.0 * hump(rows) + 5.0)
    assert other.scale.spread == pytest.approx(3.0 * one.scale.spread)
    assert other.groupings == one.groupings
    assert other.reversals.share == one.reversals.share
    for a, b in zip(one.slopes, other.slopes, strict=True):
        assert (a.mean, a.falls) == pytest.approx((b.mean, b.falls), abs=1e-9)


def test_pairs_ranked_against_satisfaction_are_counted() -> None:
    worst = audited(lambda rows: -rows["survey"]).reversals
    assert (worst.by, worst.share) == ("`survey`", 1.0)
    assert worst.worst[0].satisfaction[0] < 0.1 < 0.9 < worst.worst[0].satisfaction[1]
    assert worst.worst[0].preferred["survey"] < worst.worst[0].other["survey"]
    assert audited(lambda rows: rows["survey"]).reversals.share == 0.0


def test_without_a_word_on_satisfaction_all_wanted_predictions_count() -> None:
    signals = Signals.of([row for row in SIMULATED.to_json() if row["name"] in ("click", "watch")])
    found = audited(lambda rows: -rows["click"] - rows["watch"] / 40.0, signals=signals)
    assert found.reversals.by == "the mean percentile of all predictions"
    assert found.reversals.share > 0.9


def test_values_that_are_not_finite_are_counted_and_else_left_out() -> None:
    found = audited(lambda rows: np.log(rows["click"] - 0.01))
    assert 0.1 < found.scale.not_finite < 0.5  # half of the draws lie in corners, where click may be 0
    assert found.rows < len(log()["click"])
    assert np.isfinite(found.scale.quantiles).all()
    assert "It is not finite on" in markdown(found)
    with pytest.raises(ValueError, match="finite on no row"):
        audited(lambda rows: np.log(-1.0 - rows["click"]))


def test_a_reward_sees_predictions_and_nothing_else() -> None:
    def nosy(rows: Rows) -> Array:
        assert set(rows) == {"click", "watch", "like", "survey"}
        return rows["click"]

    audited(nosy)


def test_without_a_sample_predictions_are_drawn_and_groups_left_out() -> None:
    found = audit(hump, SIMULATED, None, np.random.default_rng(0))
    assert "because no sample of a log was given" in found.origin
    assert found.groupings == ()
    assert "Left out: no sample" in markdown(found)
    for name, column in drawn(SIMULATED, 500, np.random.default_rng(0)).items():
        one = SIMULATED[name]
        assert one.low <= column.min() < np.median(column) < column.max() <= one.high


def test_rows_with_missing_values_count_nowhere() -> None:
    sample = log(100)
    sample["survey"][:40] = np.nan
    assert audited(hump, sample).rows == 60
    with pytest.raises(ValueError, match="no row of the sample is complete"):
        audited(hump, {**sample, "survey": np.full(100, np.nan)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"like": None}, "it lacks like"),
        ({"watch": np.ones(3)}, r"watch \(3,\)"),
        (dict.fromkeys(log(), np.ones((4, 2))), r"of shape \(N,\)"),
        (dict.fromkeys(log(), np.ones(0)), "N above 0"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(change: dict[str, Any], words: str) -> None:
    sample = {name: column for name, column in {**log(), **change}.items() if column is not None}
    with pytest.raises(ValueError, match=words):
        audited(hump, sample)


def test_the_same_again_and_nothing_is_written_to() -> None:
    sample = log()
    for column in sample.values():
        column.setflags(write=False)
    one, other = audited(hump, sample), audited(hump, sample)
    assert one == other
    assert svg(one, "title") == svg(other, "title")


def test_percentiles_are_middle_ranks() -> None:
    assert percentiles(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [0.75, 0.125, 0.75, 0.375]


def test_every_table_of_the_page_is_well_formed() -> None:
    for reward in (hump, lambda rows: -rows["survey"], lambda rows: np.zeros_like(rows["click"])):
        lines = markdown(audited(reward)).splitlines()
        tables = [
            at for at, text in enumerate(lines[:-1]) if text.startswith("| ") and "---" in lines[at + 1]
        ]
        assert len(tables) >= 6
        for at in tables:
            width = lines[at].count("|")
            while at < len(lines) and lines[at].startswith("|"):
                assert lines[at].count("|") == width, lines[at]
                at += 1


def test_the_picture_is_svg_that_names_its_panels_and_no_date() -> None:
    text = svg(audited(hump), "a title")
    root = ElementTree.fromstring(text)
    assert root.attrib["width"] == "675pt"  # 900 pixels
    said = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"a title", "click", "survey", "popularity", "heavy", "against what is wanted"} <= said
    assert "dc:date" not in text
    assert "#d62728" in text  # the part of the hump that falls


def test_the_picture_holds_many_signals_odd_units_and_holes() -> None:
    rows = [
        {"name": f"s{i}", "role": "prediction", "unit": "$ & $ <b>", "low": 0, "high": 1, "words": "w"}
        for i in range(9)
    ]
    found = audit(lambda rows: np.log(rows["s0"] - 0.5), Signals.of(rows), None, np.random.default_rng(0))
    root = ElementTree.fromstring(svg(found, "title"))
    said = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {f"s{i}" for i in range(9)} <= said
    assert any("$ & $ <b>" in each for each in said)
