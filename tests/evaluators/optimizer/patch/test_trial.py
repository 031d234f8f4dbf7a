"""The trial of a patch in the sandbox: what it costs, and whether it may take sparse gradients."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from recevolve.evaluators.kinds.task import Winner
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.optimizer.patch.benchmark import REFERENCES, WORKLOADS, temporaries, weights
from recevolve.evaluators.optimizer.patch.export import export
from recevolve.evaluators.optimizer.patch.trial import ADAM, costs, rows_stay
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.population.values.verdict import Metric, Status, Verdict

LIMITS = Limits(cpu_seconds=30)
COSTS: Any = {"metrics": {"w: ": Metric(2**20)}, "timings": {"w: ": 1.0}}
STAY, GO = (
    Verdict(Status.SCORED, Metric(0.0), facts={"rows_stay": answer}, **COSTS) for answer in (True, False)
)
HEAD = 'import torch\nHYPERPARAMETERS = {"lr": 0.1}\n'
TOUCHED = HEAD + (
    'def init(param):\n    return {"mean": torch.zeros_like(param)}\n'
    "def update(grad, state, param, step, hp):\n"
    '    mean = torch.where(grad == 0.0, state["mean"], 0.9 * state["mean"] + grad)\n'
    '    return torch.where(grad == 0.0, param, param - hp["lr"] * mean), {"mean": mean}\n'
)
COUNTS = HEAD + (
    'def init(param):\n    return {"count": torch.zeros(())}\n'
    "def update(grad, state, param, step, hp):\n"
    '    count = state["count"] + 1.0\n'
    '    return param - hp["lr"] * grad / count, {"count": count}\n'
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (TASK.seeds["adagrad"], True),
        (TASK.seeds["rowwise_adagrad"], True),
        (TOUCHED, True),
        (COUNTS, False),
        (TASK.seeds["adam"], False),
        (TASK.seeds["sgd_momentum"], False),
        (TASK.seeds["ftrl_proximal"], False),
    ],
)
def test_rows_without_a_gradient_are_seen_to_stay_or_not(
    source: str, expected: bool, sandbox: Sandbox
) -> None:
    assert rows_stay(source, LIMITS, sandbox) is expected


def made(source: str, trial: Verdict | None) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(export(Winner("evolved", source, {}, trial))["evolved.py"], "evolved.py", "exec"), namespace)
    return namespace["Evolved"]


def trained(make: Any, sparse: bool) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
    torch.manual_seed(0)
    table = torch.nn.Embedding(40, 3, sparse=sparse)
    optimizer = make(table.parameters())
    for _ in range(20):
        optimizer.zero_grad()
        (table(torch.randint(40, (9,))) * torch.randn(9, 3)).sum().backward()
        optimizer.step()
    state = optimizer.state[table.weight]
    return table.weight.detach(), {name: slot for name, slot in state.items() if name != "step"}


@pytest.mark.parametrize("source", [TASK.seeds["adagrad"], TASK.seeds["rowwise_adagrad"], TOUCHED])
def test_a_sparse_gradient_steps_as_the_dense_one(source: str) -> None:
    make = made(canonical(source), STAY)
    (dense, slots), (sparse, others) = trained(make, False), trained(make, True)
    torch.testing.assert_close(sparse, dense)
    torch.testing.assert_close(dict(others), dict(slots))


NORM = HEAD + (
    "def init(param):\n    return {}\n"
    "def update(grad, state, param, step, hp):\n"
    "    return param - hp['lr'] * grad / (torch.norm(grad) + 1.0), {}\n"
)


@pytest.mark.parametrize(
    ("source", "trial", "reason"),
    [
        (TASK.seeds["adagrad"], None, "not tried"),
        (TASK.seeds["adam"], GO, "changes rows"),
        (NORM, STAY, "looks across rows"),
    ],
)
def test_a_sparse_gradient_is_refused_with_the_reason(
    source: str, trial: Verdict | None, reason: str
) -> None:
    with pytest.raises(RuntimeError, match=f"sparse.*{reason}"):
        trained(made(canonical(source), trial), True)


class Hoarding(torch.optim.SGD):
    """Holds three tensors of 4,000 bytes at once, one of them a view's, and makes five."""

    def step(self, closure: Any = None) -> None:
        ones = [torch.ones(1_000) for _ in range(2)]
        view = torch.ones(10, 100).view(-1)
        del ones
        for _ in range(2):
            view = view + 1.0
        self.param_groups[0]["params"][0].data.add_(float(view[0]))


def test_temporaries_are_the_most_that_a_step_holds_at_once() -> None:
    assert temporaries(Hoarding(weights([(3,)]))) == 12_000
    params = weights([(1_000,)])
    assert temporaries(torch.optim.SGD(params, lr=0.1)) == 0


@pytest.mark.parametrize("name", ["adagrad", "adam", "rmsprop", "lion"])
def test_a_step_holds_no_more_than_adams(name: str, sandbox: Sandbox) -> None:
    found = costs(canonical(TASK.seeds[name]), (ADAM,), 1, LIMITS, sandbox)
    assert found.keys() == WORKLOADS.keys()
    for row in found.values():
        assert 0 < row[""].temporaries <= row[ADAM].temporaries
        assert row[""].seconds > 0.0


def test_the_readme_shows_what_was_measured() -> None:
    trial = Verdict(
        Status.SCORED,
        Metric(0.0),
        facts={"rows_stay": True},
        metrics={f"table: {name}": Metric(2**20) for name in ("", ADAM)},
        timings={"tier": 1, **{f"table: {name}": 0.0015 for name in ("", ADAM)}},
    )
    readme = export(Winner("evolved", TASK.seeds["adagrad"], {}, trial))["README.md"]
    assert "| Evolved | 1.50 ms | 1.00 MiB |" in readme
    assert f"| {ADAM} | 1.50 ms | 1.00 MiB |" in readme
    assert "not measured" in export(Winner("evolved", TASK.seeds["adagrad"], {}))["README.md"]


def test_the_references_are_optimizers_of_torch() -> None:
    for make in REFERENCES.values():
        params = weights([(4, 3)])
        before = params[0].detach().clone()
        make(params).step()
        assert not torch.equal(params[0], before)
