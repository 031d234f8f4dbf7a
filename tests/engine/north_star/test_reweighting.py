"""Reweighting finds what the proxy hides, ignores what is noise, and does nothing where elites are few."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import spearmanr

from recevolve.engine.north_star.reweighting import (
    LEAST,
    PLAIN,
    Weights,
    index,
    learn,
    reweighted,
    unweighted,
)
from recevolve.evaluators.statistics import Interval
from recevolve.population.values.verdict import Metric, Status, Verdict

Elite = tuple[Verdict, Interval]


def elite(score: float, components: dict[str, float], effect: float, noise: float = 0.1) -> Elite:
    metrics = {name: Metric(value, noise, 100) for name, value in components.items()}
    verdict = Verdict(Status.SCORED, Metric(score, noise, 100), metrics=metrics)
    return verdict, Interval(effect, effect - 0.2, effect + 0.2, 0.95, 100, 0.1)


def misaligned(rng: np.random.Generator, count: int) -> list[Elite]:
    """A proxy that pays for clicks, which lead away from the north star; `stay` says where that is."""
    found = []
    for _ in range(count):
        click, stay = rng.normal(size=2)
        seen = {"click": click + 0.1 * rng.normal(), "stay": stay + 0.1 * rng.normal()}
        found.append(elite(seen["click"] + 0.3 * seen["stay"], seen, stay - click + 0.1 * rng.normal()))
    return found


def unrelated(rng: np.random.Generator, count: int) -> list[Elite]:
    """Nothing foretells the north star."""
    rows = rng.normal(size=(count, 5))
    return [elite(a + b, {"a": a, "b": b, "c": c, "d": d}, y) for a, b, c, d, y in rows]


def ranks(elites: list[Elite], weights: Weights | None) -> float:
    """The rank correlation of index and north star."""
    scores = [index(verdict, weights).value for verdict, _ in elites]
    return float(spearmanr(scores, [effect.estimate for _, effect in elites]).statistic)


@pytest.mark.parametrize("seed", range(5))
def test_a_misaligned_proxy_is_turned_round_on_elites_that_taught_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = learn(misaligned(rng, 20))
    assert weights is not None
    fresh = misaligned(rng, 200)
    assert ranks(fresh, None) < -0.3
    assert ranks(fresh, weights) > 0.7


def test_noise_leaves_the_proxy_nearly_as_it_is() -> None:
    shares = []
    for seed in range(40):
        weights = learn(unrelated(np.random.default_rng(seed), 14))
        shares.append(weights.share if weights else 0.0)
    assert np.mean(shares) < 0.05
    assert np.quantile(shares, 0.9) < 0.1


def test_a_proxy_that_is_right_stays() -> None:
    rng = np.random.default_rng(1)
    elites = []
    for a, b in rng.normal(size=(25, 2)):
        elites.append(elite(a + b, {"a": a, "b": b}, a + b + 0.2 * rng.normal()))
    weights = learn(elites)
    assert weights is not None
    assert weights.share < 0.1


def test_few_elites_or_no_components_teach_nothing() -> None:
    rng = np.random.default_rng(0)
    assert learn(misaligned(rng, LEAST - 1)) is None
    assert learn([elite(float(a), {}, float(a)) for a in rng.normal(size=20)]) is None
    assert learn([]) is None
    constant = [elite(1.0, {"a": float(a)}, float(a)) for a in rng.normal(size=20)]
    assert learn(constant) is None, "a proxy that orders nothing has no scale to keep"


def test_a_component_that_is_all_error_is_left_out_and_one_that_is_half_is_not_halved() -> None:
    rng = np.random.default_rng(3)
    elites = []
    for _ in range(400):
        true, other = rng.normal(size=2)
        metrics = {
            "noisy": Metric(true + rng.normal(), 1.0, 10),
            "clean": Metric(other, 1e-6, 10),
            "nothing": Metric(rng.normal(), 1.0, 10),
        }
        effect = true + other
        verdict = Verdict(Status.SCORED, Metric(rng.normal(), 0.1, 10), metrics=metrics)
        elites.append((verdict, Interval(effect, effect - 0.2, effect + 0.2, 0.95, 10, 0.1)))
    weights = learn(elites)
    assert weights is not None
    assert weights.metrics is not None
    assert "nothing" not in weights.metrics
    ratio = weights.metrics["noisy"][0] / weights.metrics["clean"][0]
    assert ratio == pytest.approx(1.0, abs=0.2), "half of its variance is error: an uncorrected slope is 0.5"


def test_the_index_keeps_the_proxys_unit_and_a_verdict_keeps_its_plain_score() -> None:
    elites = misaligned(np.random.default_rng(2), 30)
    weights = learn(elites)
    assert weights is not None
    before = [verdict.score.value for verdict, _ in elites if verdict.score]
    after = [index(verdict, weights).value for verdict, _ in elites]
    assert np.mean(after) == pytest.approx(np.mean(before))
    verdict = elites[0][0]
    changed = reweighted(verdict, weights)
    assert changed.score == index(verdict, weights)
    assert changed.facts[PLAIN][0] == before[0]
    assert unweighted(Verdict.from_json(json.loads(json.dumps(changed.to_json())))) == verdict
    assert reweighted(verdict, None) == unweighted(verdict) == verdict
    assert learn(elites) == weights, "equal elites teach equal weights"
    assert Weights.from_json(json.loads(json.dumps(asdict(weights)))) == weights


def test_a_missing_component_counts_as_the_mean() -> None:
    weights = Weights(0.5, 10, 1.0, 0.5, {"a": (2.0, 3.0)})
    bare = Verdict(Status.SCORED, Metric(4.0, 0.2, 5))
    assert index(bare, weights).value == 3.0
    whole = Verdict(Status.SCORED, Metric(4.0, 0.2, 5), metrics={"a": Metric(3.5, 0.1)})
    assert index(whole, weights).value == 4.0
    assert index(whole, weights).spread == pytest.approx(np.hypot(0.1, 0.2))
