"""Which rows choose and which score, when a training is looked at, and how long it is."""

import numpy as np
import pytest

from recevolve.evaluators.ctr.settings import TrainingSettings
from recevolve.evaluators.ctr.setup import LENGTHS, TrainingSetup, drawn_length
from recevolve.evaluators.data import load, split
from recevolve.evaluators.sandbox import Limits

LOG = load({"source": "synthetic", "rows": 6_000})


def setup_of(folds: int, **settings: int) -> TrainingSetup:
    chosen = TrainingSettings(folds=folds, **settings)  # type: ignore[arg-type]
    return TrainingSetup(LOG, split(LOG, folds=folds), "dcn", chosen, Limits())


@pytest.mark.parametrize("folds", [2, 3, 10])
@pytest.mark.parametrize("of", [1, 2, 3, 10])
@pytest.mark.parametrize("name", ["search", "selection", "claim"])
def test_no_user_chooses_and_scores(folds: int, of: int, name: str) -> None:
    if of > folds:
        return
    setup = setup_of(folds)
    held_out, scored = set(setup.splits[name].held_out.tolist()), []
    for fold in range(of):
        rows = setup.held_out(name, fold, of)
        assert not set(LOG.users[rows.choosing]) & set(LOG.users[rows.scoring])
        assert {*rows.choosing.tolist(), *rows.scoring.tolist()} <= held_out
        assert len(rows.choosing)
        assert np.array_equal(rows.scoring, np.sort(rows.scoring))
        scored += rows.scoring.tolist()
    assert len(scored) == len(set(scored))
    if of > 1:
        assert set(scored) == held_out


def test_rows_are_capped() -> None:
    rows = setup_of(10, choosing_rows=50, evaluation_rows=70).held_out("selection", 3, 10)
    assert (len(rows.choosing), len(rows.scoring)) == (50, 70)


@pytest.mark.parametrize("rows", [1, 511, 512, 513, 5_000, 90_000])
def test_a_training_is_looked_at_evenly_and_at_its_end(rows: int) -> None:
    marks, steps = setup_of(2).marks(rows), -(-rows // 512)
    assert marks[-1] == steps
    assert len(marks) == min(5, steps)
    assert list(marks) == sorted(set(marks))
    assert max(np.diff([0, *marks])) <= -(-steps // 5) + 1


def test_lengths_are_drawn_near_what_is_asked_for() -> None:
    drawn = {drawn_length(10_000, np.random.Generator(np.random.Philox(seed))) for seed in range(200)}
    assert len(drawn) > 190
    assert int(10_000 / LENGTHS) <= min(drawn) < 8_200
    assert 12_200 < max(drawn) <= 10_000 * LENGTHS
