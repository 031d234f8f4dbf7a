"""Each property is broken by a program that breaks it, and the fingerprint looks at order alone."""

import numpy as np
import pytest

from recevolve.evaluators.kinds.properties import examine
from recevolve.evaluators.reward.logs.signals import SIMULATED, Signals
from recevolve.evaluators.reward.properties import (
    LOGGED,
    PROBES,
    PROPERTIES,
    Rows,
    behaviour,
    draw,
    probe,
    properties_for,
    spikes,
)
from recevolve.evaluators.reward.task import TASK, task_for
from recevolve.evaluators.sandbox import Sandbox, load
from recevolve.population.values.verdict import Status


def program(expression: str, head: str = "WEIGHTS = {}") -> str:
    return f"import numpy\n\n{head}\n\n\ndef reward(signals):\n    return {expression}\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (program("signals['click']", "WEIGHTS = {'a': 'b'}"), "weights are finite numbers"),
        (program("signals['click']", "WEIGHTS = {'a': float('inf')}"), "weights are finite numbers"),
        (program("signals['click']", "WEIGHTS = [1.0]"), "weights are finite numbers"),
        (program("signals['hated']"), "predictions alone are read"),
        (program("signals['click'] > 0.5"), "one float64 per row"),
        (program("signals['click'].astype('f4')"), "one float64 per row"),
        (program("1.0"), "one float64 per row"),
        (program("numpy.zeros(3)"), "one float64 per row"),
        (program("numpy.log(signals['click'])"), "finite and bounded within the ranges"),
        (program("1.0 / signals['survey']"), "finite and bounded within the ranges"),
        (program("signals['watch'] ** 3"), "finite and bounded within the ranges"),
        (program("numpy.add(signals['click'], 1.0, signals['click'])"), "inputs stay as they are"),
        (program("signals['click'] + 1e-9 * numpy.random.random()"), "keeps nothing between calls"),
        (program("signals['click'] / signals['click'].max()"), "each row is judged by itself"),
        (program("signals['click'] - signals['click'][0] * 0.1"), "each row is judged by itself"),
        (program("numpy.sort(signals['click'])"), "each row is judged by itself"),
        (program("numpy.sign(signals['survey'])"), "tells rows apart"),
        (program("signals['click'] * 1e8 % 1.0"), "steady in the digits that mean nothing"),
    ],
)
def test_a_program_that_breaks_a_property_is_told_which(source: str, words: str) -> None:
    with np.errstate(all="ignore"):
        wrong = examine(PROPERTIES, load(source), 30.0)
    assert wrong is not None
    assert wrong.startswith(words)


@pytest.mark.parametrize(
    "expression",
    [
        "signals['click'] * numpy.where(signals['survey'] > 0.0, 1.0, 0.5)",
        "numpy.tanh(1e4 * (signals['survey'] - 0.3)) + signals['click']",
        "-signals['watch']",
        "signals['watch'] ** 2",
        "1e8 * signals['click'] + 1.0",
        "numpy.tanh(3e3 * signals['click']) + 1e-9 * signals['like']",
        "signals['click'] - signals['like'] + numpy.sign(signals['survey'])",
        "numpy.where(signals['click'] >= 0.1, numpy.minimum(signals['watch'], 30.0), signals['like'])",
        "numpy.where(signals['survey'] == 0.0, 0.5, signals['survey'] / 24.0) + signals['click']",
        "numpy.where(signals['watch'] > 0.0, signals['watch'], 600.0)",
        "numpy.where(signals['click'] > signals['like'], signals['watch'], signals['survey'])",
        "numpy.log(signals['click'] + 1e-9) + numpy.log(signals['like'] + 1e-9)",
        "numpy.tanh(1e7 * signals['survey']) + signals['watch']",
        "numpy.abs(signals['click'] - signals['like']) + numpy.log1p(signals['watch'])",
        "numpy.log(numpy.abs(signals['click'] - signals['like']) + 1e-9)",
        "numpy.sqrt(numpy.abs(signals['survey'] - signals['watch']))",
    ],
)
def test_thresholds_and_steep_formulas_are_honest(expression: str) -> None:
    assert examine(PROPERTIES, load(program(expression)), 30.0) is None


def of(expression: str, sandbox: Sandbox) -> str:
    verdict = TASK.examine(program(expression), sandbox)
    assert verdict.status is Status.SCORED, verdict.reason
    return str(verdict.facts["behaviour"])


def test_rising_functions_of_a_reward_are_its_duplicates(sandbox: Sandbox) -> None:
    plain = of("signals['click'] * signals['watch']", sandbox)
    for duplicate in (
        "2.0 * (signals['watch'] * signals['click']) + 1.0",
        "numpy.log1p(signals['click'] * signals['watch'])",
        "(signals['click'] * signals['watch']) ** 0.5",
        "numpy.power(signals['click'], 2.0) * numpy.square(signals['watch']) / 100.0",
    ):
        assert of(duplicate, sandbox) == plain


def test_another_order_is_another_program(sandbox: Sandbox) -> None:
    found = {
        of(text, sandbox)
        for text in (
            "signals['click'] * signals['watch']",
            "-(signals['click'] * signals['watch'])",
            "signals['click'] * signals['watch'] ** 0.999",
            "signals['click'] * signals['watch'] + 0.001 * signals['survey']",
            "numpy.minimum(signals['click'] * signals['watch'], 2000.0)",
        )
    }
    assert len(found) == 5


WHOLE = "({0} + 6755399441055744.0) - 6755399441055744.0"


@pytest.mark.parametrize(
    "test",
    [
        "signals['watch'] - ((signals['watch'] + 5e8 * signals['watch']) - 5e8 * signals['watch']) == 0.0",
        f"{WHOLE.format('signals[`watch`]')} == signals['watch']",
        f"numpy.abs({WHOLE.format('(1e3 * signals[`click`])')} - 1e3 * signals['click']) < 1e-6",
        "signals['click'] == signals['like']",
        "signals['survey'] == 0.0",
        "signals['watch'] == 0.0",
        "signals['click'] == 1.0",
        "signals['like'] <= 0.0",
    ],
)
def test_programs_that_differ_on_rows_of_a_log_alone_have_other_fingerprints(test: str) -> None:
    """Of 600 drawn rows none passes the test, so each of these programs had the fingerprint of `watch`."""
    test = test.replace("`", "'")
    drawn = draw(SIMULATED, Rows(PROBES, 1))
    found = set()
    for face in ("signals['watch']", "signals['survey']", "-signals['click']"):
        source = program(f"numpy.where({test}, {face}, signals['watch'])")
        namespace = load(source)
        assert (namespace["reward"](drawn) == drawn["watch"]).all()
        found.add(behaviour(probe(SIMULATED, namespace)))
    assert len(found) == 3


def test_rounding_does_not_tell_duplicates_apart() -> None:
    values = np.random.default_rng(0).normal(size=2 * PROBES)
    noise = 1.0 + 1e-15 * np.random.default_rng(1).normal(size=2 * PROBES)
    assert behaviour({"reward": values}) == behaviour({"reward": values * noise})
    assert behaviour({"reward": values}) == behaviour({"reward": np.exp(values)})
    swapped = values.copy()
    first, second = np.argsort(values)[300:302]
    swapped[first], swapped[second] = values[second], values[first]
    assert behaviour({"reward": values}) != behaviour({"reward": swapped})


def test_rows_are_drawn_within_the_ranges_and_reach_their_ends() -> None:
    columns = draw(SIMULATED, Rows(400, 1, edges=True))
    assert set(columns) == {"click", "watch", "like", "survey"}
    for name, column in columns.items():
        assert column.min() == SIMULATED[name].low
        assert column.max() == SIMULATED[name].high


@pytest.mark.parametrize("form", LOGGED)
def test_rows_have_their_form_within_the_ranges(form: str) -> None:
    columns = draw(SIMULATED, Rows(400, 1, form=form))
    for name, column in columns.items():
        assert SIMULATED[name].low <= column.min()
        assert column.max() <= SIMULATED[name].high
    exact = draw(SIMULATED, Rows(400, 1))
    assert not any(np.array_equal(columns[name], exact[name]) for name in ("watch", "like", "survey"))


@pytest.mark.parametrize("form", LOGGED)
@pytest.mark.parametrize("name", TASK.seeds)
def test_no_seed_has_spikes_in_any_form(name: str, form: str) -> None:
    columns = draw(SIMULATED, Rows(200, 3, edges=True, form=form))
    with np.errstate(all="ignore"):
        assert spikes(SIMULATED, load(TASK.seeds[name])["reward"], columns, 0) == 0.0


OWN = Signals.of(
    [
        {"name": "p", "role": "prediction", "unit": "x", "low": -1, "high": 1, "words": "p"},
        {"name": "n", "role": "prediction", "unit": "x", "low": 0, "high": 1, "words": "n", "better": -1},
        {"name": "was", "role": "outcome", "unit": "x", "low": 0, "high": 1, "words": "was"},
    ]
)


def test_properties_and_seeds_follow_the_signals_at_hand(sandbox: Sandbox) -> None:
    task = task_for(OWN)
    assert set(task.seeds) == {"p", "n", "equal_weights"}
    for source in task.seeds.values():
        assert task.examine(source, sandbox).status is Status.SCORED
    assert "there is no such signal" in task.examine(program("signals['click']"), sandbox).reason
    assert "it is an outcome" in task.examine(program("signals['was']"), sandbox).reason
    assert examine(properties_for(OWN), load(program("numpy.sqrt(signals['p'])")), 30.0) is not None
