import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from recevolve.kernels.estimate import calibration as module
from recevolve.kernels.estimate.calibration import (
    Calibration,
    Point,
    TooFewPoints,
    Variant,
    calibrate,
    load,
    regret,
    spearman,
)
from recevolve.kernels.estimate.components import PARTS, combine, weighted
from recevolve.kernels.json_values import from_plain, to_plain

OVERLAP = 0.15
MADE = "2026-03-01"
VERSIONS = {"torch": "2.11.0", "triton": "3.6.0"}
PLANTED = {**dict.fromkeys(PARTS, 1.0), "dram": 1.3, "issue": 2.5, "latency": 1.8}


def points(
    family: str, count: int, weights: dict[str, float], seed: int = 0, noise: float = 0.0, scale: float = 1.0
) -> list[Point]:
    """Variants whose parts are drawn over two decades and whose times these weights made."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        launches = tuple(
            {"launch": 2e-6, **{name: float(10 ** rng.uniform(-6, -4)) for name in PARTS[1:]}}
            for _ in range(1 + number % 2)
        )
        seconds = sum(combine(weighted(each, weights), OVERLAP) for each in launches)
        found.append(
            Point(
                family, f"{family}-{number % 2}", launches, scale * seconds * math.exp(rng.normal(0, noise))
            )
        )
    return found


def families(count: int = 40, noise: float = 0.0, scale: float = 1.0) -> list[Point]:
    names = ("dot", "cross", "machine")
    return [
        point for seed, name in enumerate(names) for point in points(name, count, PLANTED, seed, noise, scale)
    ]


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    return calibrate(families(), "H100 SXM", MADE, VERSIONS, OVERLAP)


@pytest.mark.heavy
def test_planted_weights_are_found(fitted: Calibration) -> None:
    for name in PARTS:
        if name != "launch":  # two microseconds are never what matters here
            assert fitted.weights[name] == pytest.approx(PLANTED[name], rel=0.05), name


@pytest.mark.heavy
def test_a_device_slower_all_over_is_one_scale() -> None:
    found = module.fit(families(scale=2.0), OVERLAP)
    assert found["issue"] / found["l2"] == pytest.approx(2.5, rel=0.05)
    assert found["l2"] == pytest.approx(2.0, rel=0.05)


@pytest.mark.heavy
def test_no_part_counts_for_less_than_another_lower_bound_says() -> None:
    found = module.fit(families(noise=0.2), OVERLAP)
    assert min(found.values()) > 0.8
    assert max(found.values()) / min(found.values()) <= 16.001


@pytest.mark.heavy
def test_noise_widens_the_error_that_travels_along(fitted: Calibration) -> None:
    noisy = calibrate(families(noise=0.3), "H100 SXM", MADE, VERSIONS, OVERLAP)
    assert fitted.error < 0.05
    assert 0.1 < noisy.error < 0.5
    assert all(each.correlation is not None and each.correlation > 0.99 for each in fitted.held_out)


@pytest.mark.heavy
def test_a_family_that_differs_shows_in_its_own_error() -> None:
    strange = points("strange", 40, {**PLANTED, "dram": 12.0, "issue": 1.0}, seed=9)
    found = calibrate(families() + strange, "H100 SXM", MADE, VERSIONS, OVERLAP)
    errors = {each.family: each.error for each in found.held_out}
    assert errors["strange"] > 0.3
    assert errors["strange"] == max(errors.values()) == found.error
    worst = next(each for each in found.held_out if each.family == "strange")
    others = [each.correlation for each in found.held_out if each.family != "strange"]
    assert worst.correlation is not None
    assert worst.correlation < min(each for each in others if each is not None)


@pytest.mark.heavy
def test_weights_improve_the_ranking_of_what_they_never_saw(fitted: Calibration) -> None:
    for each in fitted.held_out:
        assert each.correlation is not None
        assert each.correlation_before is not None
        assert each.correlation > each.correlation_before
        assert each.regret == 0.0


@pytest.mark.parametrize(
    ("given", "got"),
    [(families(9), "27 of 3"), ([each for each in families() if each.family == "dot"], "40 of 1")],
)
def test_too_few_points_are_refused(given: list[Point], got: str) -> None:
    with pytest.raises(TooFewPoints, match=got):
        calibrate(given, "H100 SXM", MADE, VERSIONS, OVERLAP)


@pytest.mark.heavy
def test_the_same_points_give_the_same_weights() -> None:
    assert module.fit(families(), OVERLAP) == module.fit(families(), OVERLAP)


@pytest.mark.heavy
def test_what_is_stored_is_what_is_read(fitted: Calibration, tmp_path: Path) -> None:
    fitted.save(tmp_path / "h100.json")
    assert load(tmp_path / "h100.json") == fitted


@pytest.mark.heavy
def test_age_and_error_stand_in_one_phrase(fitted: Calibration) -> None:
    poor = dataclasses.replace(fitted.held_out[0], error=0.42, correlation=0.5)
    assert dataclasses.replace(fitted, held_out=(poor, *fitted.held_out[1:])).trust == (
        "calibrated 2026-03-01 on 120 points of H100 SXM; "
        "worst unseen family: error 42%, rank correlation 0.50"
    )


def test_variants_are_read_as_they_were_written() -> None:
    (expected,) = points("dot", 1, PLANTED)
    variant = Variant("dot", "small", {"forward": expected.parts})
    assert from_plain(Variant, json.loads(json.dumps(to_plain(variant)))) == variant


def test_ranks_are_compared_with_ties_shared() -> None:
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 1, 2, 2], [1, 2, 3, 4]) == pytest.approx(2 / math.sqrt(5))
    assert spearman([1, 1, 1, 1], [1, 2, 3, 4]) is None
    assert spearman([1, 2, 3], [1, 2, 3]) is None


def test_regret_is_what_the_best_by_estimate_lose() -> None:
    assert regret([1, 2, 3, 4, 5], [10, 8, 9, 9, 9]) == pytest.approx(0.25)
    assert regret([2, 1, 3, 4, 5], [10, 8, 9, 9, 9]) == 0.0
    assert regret([1, 2, 3, 4, 5], [10, 8, 9, 9, 9], top=0.4) == 0.0
