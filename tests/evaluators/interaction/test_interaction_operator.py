"""A layer that is handed on to the search for its kernels."""

from pathlib import Path

import pytest
import torch

from recevolve.evaluators.interaction.operator import operator_of
from recevolve.evaluators.interaction.reference_cost import ReferenceCost
from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.kinds.folder import programs
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.sandbox import load


@pytest.mark.parametrize("name", TASK.seeds)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_reference_is_the_program(name: str, dtype: torch.dtype) -> None:
    operator = operator_of(name, TASK.seeds[name])
    sizes = {"B": 3, "F": 5, "D": 4}
    given = operator.draw(sizes, dtype, torch.Generator().manual_seed(1))
    assert len(given) == len(operator.inputs) == len(operator.differentiable)
    assert all(value.dtype == dtype for value in given)
    namespace = load(canonical(TASK.seeds[name]))
    params = dict(zip(operator.inputs[1:], given[1:], strict=True))
    expected = namespace["interact"](given[0], params, namespace["HYPERPARAMETERS"])
    assert torch.equal(operator.reference(*given), expected)
    again = operator.draw(sizes, dtype, torch.Generator().manual_seed(1))
    assert all(torch.equal(one, other) for one, other in zip(given, again, strict=True))


def test_no_parameter_is_drawn_as_zero_or_one() -> None:
    operator = operator_of("dcn", TASK.seeds["dcn_v2"])
    given = operator.draw({"B": 2, "F": 3, "D": 2}, torch.float32, torch.Generator().manual_seed(0))
    assert all(float((value - value.round()).abs().max()) > 0.0 for value in given)


def test_work_is_counted() -> None:
    operator = operator_of("dcn", TASK.seeds["dcn_v2"])
    sizes, cost = {"B": 10, "F": 7, "D": 8}, ReferenceCost(7, 8)
    assert operator.flops(sizes) == (10 * cost.flops, 20 * cost.flops)
    params = cost.parameters - 56
    assert operator.elements(sizes) == (10 * 112 + params, 10 * 168 + 2 * params)


@pytest.mark.parametrize("name", TASK.seeds)
def test_hidden_sizes_can_be_drawn(name: str) -> None:
    operator = operator_of(name, TASK.seeds[name])
    sizes = operator.hidden(0)
    for _ in range(4):
        given = operator.draw(next(sizes), torch.float64, torch.Generator().manual_seed(0))
        assert operator.reference(*given).dim() == 2


def test_what_is_no_layer_is_refused() -> None:
    cheats = programs(Path(__file__).with_name("cheats"))
    with pytest.raises(ValueError, match="no interaction layer"):
        operator_of("cheat", cheats["hidden_buffer"])
