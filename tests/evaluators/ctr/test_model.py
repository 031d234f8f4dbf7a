"""The small rankers: equal to the bit, honest about divergence, able to learn; and their scores, exact."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recevolve.evaluators.ctr import model as ctr
from recevolve.evaluators.data import Field, Log, split
from recevolve.evaluators.data.synthetic import teach

FIELDS = (Field("a", 5), Field("b", 3), Field("c", 7))
NAMES = pytest.mark.parametrize("name", ["dcn", "dlrm"])


def sgd(lr: float) -> ctr.Step:
    def step(parameters: list[Tensor], gradients: list[Tensor], number: int) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(lr * gradient)

    return step


def rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = np.stack([rng.integers(0, field.size, count) for field in FIELDS], axis=1).astype(np.int32)
    return features, ((features[:, 0] > 2) ^ (features[:, 1] == 1)).astype(np.uint8)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0.0, np.where(labels == 1, -logits, logits))))


@NAMES
def test_weights_come_from_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    first = ctr.flatten(ctr.make_ranker(name, FIELDS, 4, seed=3))
    torch.manual_seed(2)
    assert np.array_equal(first, ctr.flatten(ctr.make_ranker(name, FIELDS, 4, seed=3)))
    assert not np.array_equal(first, ctr.flatten(ctr.make_ranker(name, FIELDS, 4, seed=4)))


@NAMES
def test_a_forward_pass_uses_every_weight_and_every_field(name: str) -> None:
    model = ctr.make_ranker(name, FIELDS, 4)
    features, labels = rows(200)
    seen: list[float] = []
    ctr.train(
        model, features, labels, np.arange(200), lambda p, g, n: seen.extend(x.abs().max().item() for x in g)
    )
    assert len(seen) == len(list(model.parameters()))
    assert min(seen) > 0
    base = ctr.predict(model, features[:1])
    for k, field in enumerate(FIELDS):
        changed = features[:1].copy()
        changed[0, k] = (changed[0, k] + 1) % field.size
        assert ctr.predict(model, changed) != base


@NAMES
def test_ids_of_different_fields_do_not_share_rows(name: str) -> None:
    """Moving the embedding of one id changes the predictions of the rows that hold it, and no others."""
    model = ctr.make_ranker(name, FIELDS, 4)
    features = np.array(list(product(*(range(field.size) for field in FIELDS))), dtype=np.int32)
    before = ctr.predict(model, features)
    with torch.no_grad():
        model.table[5 + 1] += 1.0
    assert np.array_equal(ctr.predict(model, features) != before, features[:, 1] == 1)


def test_gradients_are_those_of_the_mean_loss_of_the_batch() -> None:
    model = ctr.make_ranker("dcn", FIELDS, 4)
    features, labels = rows(8)
    order = np.array([6, 1, 3])
    got: list[Tensor] = []
    ctr.train(model, features, labels, order, lambda parameters, gradients, number: got.extend(gradients))
    logits = model(torch.from_numpy(features[order]))
    target = torch.from_numpy(labels[order]).float()
    loss = -(target * logits.sigmoid().log() + (1 - target) * (1 - logits.sigmoid()).log()).mean()
    loss.backward()
    for gradient, parameter in zip(got, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


class Recorder(nn.Module):
    """A model that writes down which rows it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.seen: list[list[int]] = []

    def forward(self, ids_BF: Tensor) -> Tensor:
        self.seen.append(ids_BF[:, 0].tolist())
        return self.bias.expand(len(ids_BF))


def test_rows_are_shown_in_the_order_asked_for_each_as_often_as_asked() -> None:
    model = Recorder()
    features, labels = np.arange(6, dtype=np.int32)[:, None], np.zeros(6, dtype=np.uint8)
    ctr.train(model, features, labels, np.array([5, 0, 3, 3, 1]), sgd(0.1), batch=2)
    assert model.seen == [[5, 0], [3, 3], [1]]


def test_each_batch_is_one_numbered_step_and_the_last_may_be_short() -> None:
    features, labels = rows(10)
    numbers: list[int] = []
    untracked: list[bool] = []

    def step(parameters: list[Tensor], gradients: list[Tensor], number: int) -> None:
        numbers.append(number)
        untracked.append(torch.is_grad_enabled())

    ctr.train(ctr.make_ranker("dlrm", FIELDS), features, labels, np.arange(10), step, batch=4)
    assert numbers == [1, 2, 3]
    assert not any(untracked)
    ctr.train(ctr.make_ranker("dlrm", FIELDS), features, labels, np.arange(0), step)
    assert numbers == [1, 2, 3], "no rows, no steps"


def test_two_processes_train_to_the_same_bits(two_threads: None) -> None:
    code = (
        "import hashlib, numpy as np, torch; from recevolve.evaluators.ctr import model as ctr\n"
        "from recevolve.evaluators.data.synthetic import load\n"
        "log = load(4000, 0)\n"
        "def step(p, g, n): torch._foreach_add_(p, g, alpha=-0.5)\n"
        "for name in ('dcn', 'dlrm'):\n"
        "    model = ctr.make_ranker(name, log.fields, 8, 1)\n"
        "    ctr.train(model, log.features, log.labels, np.arange(4000), step)\n"
        "    weights = ctr.flatten(model).tobytes() + ctr.predict(model, log.features).tobytes()\n"
        "    print(hashlib.sha256(weights).hexdigest())\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "ab"
    ]
    assert runs[0].stdout == runs[1].stdout
    assert len(set(runs[0].stdout.split())) == 2
    assert torch.get_num_threads() == 2


def test_training_takes_one_thread_and_gives_the_others_back(two_threads: None) -> None:
    features, labels = rows(10)
    threads: list[int] = []
    model = ctr.make_ranker("dcn", FIELDS)
    ctr.train(model, features, labels, np.arange(10), lambda p, g, n: threads.append(torch.get_num_threads()))
    assert threads == [1]
    assert torch.get_num_threads() == 2


def test_a_loss_that_is_not_finite_stops_training_at_once() -> None:
    features, labels = rows(100)
    steps: list[int] = []

    def explode(parameters: list[Tensor], gradients: list[Tensor], number: int) -> None:
        steps.append(number)
        parameters[0].fill_(float("nan"))

    with pytest.raises(ctr.Diverged, match="loss of step 2 is nan"):
        ctr.train(ctr.make_ranker("dcn", FIELDS), features, labels, np.arange(100), explode, batch=10)
    assert steps == [1]


def test_predictions_do_not_depend_on_where_a_chunk_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ctr.make_ranker("dlrm", FIELDS)
    features, _ = rows(1000)
    whole = ctr.predict(model, features)
    monkeypatch.setattr(ctr, "CHUNK", 300)
    np.testing.assert_allclose(ctr.predict(model, features), whole, rtol=1e-4, atol=1e-6)
    assert ctr.predict(model, features[:0]).shape == (0,)
    assert whole.dtype == np.float32


def test_predictions_and_weights_that_are_not_finite_are_divergence() -> None:
    model = ctr.make_ranker("dlrm", FIELDS)
    features, _ = rows(10)
    weights = ctr.flatten(model)
    weights[0] = np.inf
    with pytest.raises(ctr.Diverged, match=r"1 of \d+ weights are not finite"):
        ctr.unflatten(model, weights)
    with torch.no_grad():
        model.table.fill_(3e38)
    with pytest.raises(ctr.Diverged, match="10 of 10 predictions are not finite"):
        ctr.predict(model, features)


@NAMES
def test_weights_go_out_and_come_back_equal(name: str) -> None:
    model, other = (ctr.make_ranker(name, FIELDS, 4, seed) for seed in (0, 1))
    weights = ctr.flatten(model)
    weights.flags.writeable = False
    ctr.unflatten(other, weights)
    features, _ = rows(50)
    assert np.array_equal(ctr.predict(model, features), ctr.predict(other, features))
    with torch.no_grad():
        other.table.zero_()
    assert np.array_equal(ctr.flatten(model), weights), "the vector is a copy"


@pytest.mark.parametrize("wrong", [lambda w: w[:-1], lambda w: w.astype(np.float64), lambda w: w[None]])
def test_weights_of_another_shape_are_refused(wrong: object) -> None:
    model = ctr.make_ranker("dcn", FIELDS)
    assert callable(wrong)
    with pytest.raises(ValueError, match="expected float32 weights of shape"):
        ctr.unflatten(model, wrong(ctr.flatten(model)))


@pytest.fixture(scope="module")
def taught() -> tuple[Log, np.ndarray]:
    return teach(30_000, 0)


@NAMES
def test_training_learns_what_the_teacher_knows(name: str, taught: tuple[Log, np.ndarray]) -> None:
    log, truth = taught
    part = split(log)["search"]
    held_out, labels = part.held_out, log.labels[part.held_out]
    model = ctr.make_ranker(name, log.fields, 8, 0)
    fresh = ctr.predict(model, log.features[held_out])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def step(parameters: list[Tensor], gradients: list[Tensor], number: int) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    order = np.random.default_rng(0).permutation(part.train)
    ctr.train(model, log.features, log.labels, order, step)
    learnt = ctr.predict(model, log.features[held_out])
    assert ctr.auc(fresh, labels) < 0.56
    assert 0.65 < ctr.auc(learnt, labels) < ctr.auc(truth[held_out], labels)
    share = float(log.labels[part.train].mean())
    constant = np.full(len(labels), np.log(share / (1 - share)))
    assert log_loss(truth[held_out], labels) < log_loss(learnt, labels) < log_loss(constant, labels)


def test_plain_descent_lowers_the_training_loss() -> None:
    features, labels = rows(2000)
    model = ctr.make_ranker("dcn", FIELDS, 8)
    before = log_loss(ctr.predict(model, features), labels)
    ctr.train(model, features, labels, np.tile(np.arange(2000), 40), sgd(0.5))
    assert log_loss(ctr.predict(model, features), labels) < before / 2


def test_auc_equals_the_count_of_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    for levels in (2, 5, 1000):
        scores, labels = rng.integers(0, levels, 300).astype(np.float32), rng.integers(0, 2, 300)
        gaps = scores[labels == 1][:, None] - scores[labels == 0][None]
        assert ctr.auc(scores, labels) == pytest.approx(((gaps > 0) + (gaps == 0) / 2).mean(), abs=1e-12)
    assert ctr.auc(np.zeros(4), np.array([0, 1, 1, 0])) == 0.5


def test_auc_of_one_label_is_refused() -> None:
    with pytest.raises(ValueError, match="needs both labels, got 2 positive and 0 negative"):
        ctr.auc(np.zeros(2), np.ones(2, dtype=int))
