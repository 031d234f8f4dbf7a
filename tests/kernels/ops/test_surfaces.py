"""The functions and modules that models call: fallback, registration, errors."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from recevolve.kernels import ops
from recevolve.kernels.operators import OPERATORS
from recevolve.kernels.ops.registration import Registered
from recevolve.kernels.record.launches import offline

NAMES = pytest.mark.parametrize("name", OPERATORS)
MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "pairwise_dot": (ops.PairwiseDot, ()),
    "fm_second_order": (ops.FactorizationMachine, ()),
    "dcn_v2_cross": (lambda: ops.CrossLayer(6), ("weight", "bias")),
    "dcn_v2_cross_low_rank": (lambda: ops.LowRankCrossLayer(6, 2), ("v", "u", "bias")),
    "gated_cross": (lambda: ops.GatedCross(6), ("value", "value_bias", "gate", "gate_bias")),
    "embedding_bag_dot": (lambda: ops.EmbeddingBagDot((3, 5), 6), ("tables", "row_offsets")),
}
"""By operator its module, and which of its attributes stand for which inputs."""
SIZES = {"B": 3, "F": 4, "D": 6, "K": 6, "R": 2, "T": 2, "V": 8, "N": 9}


def draw(name: str, dtype: torch.dtype = torch.float32, grad: bool = False) -> list[Tensor]:
    operator = OPERATORS[name]
    inputs = operator.draw(SIZES, dtype, torch.Generator().manual_seed(0))
    leaves = [grad and each in operator.differentiable for each in operator.inputs]
    return [tensor.requires_grad_() if leaf else tensor for tensor, leaf in zip(inputs, leaves, strict=True)]


def kernel(name: str) -> Any:
    """The registered operator: the program, on whatever device."""
    return getattr(torch.ops.recevolve, name)


@NAMES
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_without_a_gpu_a_function_is_its_reference_bit_by_bit(name: str, dtype: torch.dtype) -> None:
    inputs, others = draw(name, dtype, grad=True), draw(name, dtype, grad=True)
    output, expected = getattr(ops, name)(*inputs), OPERATORS[name].reference(*others)
    assert torch.equal(output, expected)
    output.sum().backward()
    expected.sum().backward()
    for tensor, other in zip(inputs, others, strict=True):
        assert (tensor.grad is None) == (other.grad is None) == (not tensor.requires_grad)
        assert tensor.grad is None or other.grad is None or torch.equal(tensor.grad, other.grad)


@NAMES
def test_a_module_is_its_function_of_its_parameters(name: str) -> None:
    make, attributes = MODULES[name]
    torch.manual_seed(0)
    module = make()
    operator = OPERATORS[name]
    by_name = dict(zip(operator.inputs, draw(name), strict=True))
    given = [tensor for each, tensor in by_name.items() if each not in attributes]
    inputs = [getattr(module, each) if each in attributes else by_name[each] for each in operator.inputs]
    assert torch.equal(module(*given), operator.reference(*inputs))
    assert {each for each, _ in module.named_parameters()} == set(attributes) & set(operator.differentiable)
    assert all(each in repr(module) for each in ("6",) if attributes)
    copy = make()
    copy.load_state_dict(module.state_dict())
    assert torch.equal(copy(*given), module(*given))
    module(*(each.requires_grad_(each.is_floating_point()) for each in given)).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("make", [MODULES[each][0] for each in list(MODULES)[2:5]])
def test_a_layer_takes_the_dtype_of_its_input(make: Callable[[], nn.Module]) -> None:
    module, x = make(), draw("dcn_v2_cross", torch.bfloat16)[1]
    output = module(x, x)
    assert output.dtype == torch.bfloat16
    output.float().sum().backward()
    assert {parameter.grad.dtype for parameter in module.parameters() if parameter.grad is not None} == {
        torch.float32
    }


@NAMES
def test_autocast_changes_nothing(name: str) -> None:
    inputs = draw(name)
    with torch.autocast("cpu", torch.bfloat16):
        output = getattr(ops, name)(*inputs)
    assert torch.equal(output, OPERATORS[name].reference(*inputs))


@NAMES
def test_the_registered_program_has_the_derivative_of_the_reference_and_no_second(name: str) -> None:
    inputs, others = draw(name, grad=True), draw(name, grad=True)
    expected = OPERATORS[name].reference(*others)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    with offline(assemble=False) as recorder:
        output = kernel(name)(*inputs)
        leaves = [tensor for tensor in inputs if tensor.requires_grad]
        gradients = torch.autograd.grad((output * weights).sum(), leaves, create_graph=True)
    torch.testing.assert_close(output, expected)
    wanted = torch.autograd.grad((expected * weights).sum(), [each for each in others if each.requires_grad])
    torch.testing.assert_close([each.detach() for each in gradients], list(wanted))
    assert len(recorder.launches) >= 2
    with pytest.raises(NotImplementedError, match=f"recevolve.kernels.reference.{name}"):
        sum(gradient.sum() for gradient in gradients).backward()


@NAMES
def test_what_tracing_takes_for_the_results_has_their_form(name: str) -> None:
    inputs = draw(name)
    with offline(assemble=False):
        torch.library.opcheck(kernel(name), tuple(inputs), test_utils=("test_schema", "test_faketensor"))


@pytest.mark.parametrize(
    ("device", "dtype", "fits", "way"),
    [
        ("cuda", torch.float32, True, "program"),
        ("cuda", torch.bfloat16, True, "program"),
        ("cuda", torch.float16, True, "program"),
        ("cuda", torch.float64, True, "reference"),
        ("cuda", torch.float32, False, "reference"),
        ("cpu", torch.float32, True, "reference"),
        ("meta", torch.float32, True, "reference"),
    ],
)
def test_the_program_runs_on_a_gpu_in_its_dtypes_where_sizes_fit(
    device: str, dtype: torch.dtype, fits: bool, way: str
) -> None:
    called = []
    registered = Registered(
        replace(OPERATORS["fm_second_order"], reference=lambda x: called.append("reference") or x),
        lambda x: called.append("program") or x,
    )
    with FakeTensorMode():  # tensors without memory stand for those of a GPU
        registered(torch.empty(2, 3, 4, dtype=dtype, device=device), fits=fits)
    assert called == [way]


@pytest.mark.slow
@NAMES
def test_pytorch_finds_the_registration_complete(name: str) -> None:
    with offline(assemble=False):
        torch.library.opcheck(kernel(name), tuple(draw(name, grad=True)))


@NAMES
def test_a_function_compiles_as_one_graph(name: str) -> None:
    function, inputs = getattr(ops, name), draw(name, grad=True)
    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    leaves = [tensor for tensor in inputs if tensor.requires_grad]
    output, expected = compiled(*inputs), function(*inputs)
    torch.testing.assert_close(output, expected)
    both = [torch.autograd.grad(each.sum(), leaves) for each in (output, expected)]
    torch.testing.assert_close(*both)


@pytest.mark.slow
def test_modules_compile_with_the_default_compiler() -> None:
    for name, (make, attributes) in MODULES.items():
        module = make()
        by_name = dict(zip(OPERATORS[name].inputs, draw(name), strict=True))
        given = [tensor for each, tensor in by_name.items() if each not in attributes]
        torch.testing.assert_close(torch.compile(module, fullgraph=True)(*given), module(*given))


@NAMES
def test_a_wrong_dtype_is_refused_with_what_came(name: str) -> None:
    inputs = draw(name)
    with pytest.raises(TypeError, match=f"{name} takes .*got .*int32"):
        getattr(ops, name)(inputs[0].int(), *inputs[1:])
    for place, each in itertools.islice(enumerate(OPERATORS[name].inputs), 1, None):
        wrong = [*inputs[:place], inputs[place].to(torch.float16), *inputs[place + 1 :]]
        with pytest.raises(TypeError, match=f"{name} takes .*got .*{each} of torch.float16"):
            getattr(ops, name)(*wrong)


@NAMES
def test_a_wrong_shape_is_refused_with_what_was_expected(name: str) -> None:
    inputs = draw(name)
    for place, each in enumerate(OPERATORS[name].inputs):
        flat = inputs[place].unsqueeze(0)
        with pytest.raises(ValueError, match=rf"{name} expects {each} of .*got \(1, "):
            getattr(ops, name)(*inputs[:place], flat, *inputs[place + 1 :])


def test_sizes_that_disagree_are_refused_with_both() -> None:
    x0, x, weight, bias = draw("dcn_v2_cross")
    with pytest.raises(ValueError, match=r"expects weight of shape \(K = 6, K = 6\), got \(6, 5\)"):
        ops.dcn_v2_cross(x0, x, weight[:, :5], bias)
    with pytest.raises(ValueError, match=r"expects x of shape \(B = 3, K = 6\), got \(2, 6\)"):
        ops.dcn_v2_cross(x0, x[:2], weight, bias)
    *rest, bags = draw("embedding_bag_dot")
    with pytest.raises(ValueError, match=r"expects bag_offsets of shape \(7,\), got \(6,\)"):
        ops.embedding_bag_dot(*rest, bags[:-1])


@NAMES
def test_two_devices_are_refused(name: str) -> None:
    inputs = draw(name)
    for place, each in itertools.islice(enumerate(OPERATORS[name].inputs), 1, None):
        wrong = [*inputs[:place], inputs[place].to("meta"), *inputs[place + 1 :]]
        with pytest.raises(ValueError, match=rf"{name} takes tensors on one device.*{each} on meta"):
            getattr(ops, name)(*wrong)


def test_sizes_that_no_program_is_made_for_go_to_the_reference() -> None:
    assert ops.pairwise_dot(torch.ones(2, 3, 0)).tolist() == [[0.0] * 3] * 2
    assert ops.fm_second_order(torch.ones(2, 3, 0)).tolist() == [0.0] * 2
    assert ops.fm_second_order(torch.ones(1, 2, 9000)).tolist() == [9000.0]
    assert ops.dcn_v2_cross(*(torch.ones(2, 0),) * 2, torch.ones(0, 0), torch.ones(0)).shape == (2, 0)


WITHOUT_TRITON = """
import sys
sys.modules["triton"] = None
import torch
from recevolve.kernels import ops
x = torch.ones(2, 3, 4)
print(ops.pairwise_dot(x).tolist(), ops.CrossLayer(4)(x[:, 0], x[:, 1]).shape[0])
"""


def test_without_triton_everything_still_answers() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TRITON], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "[[4.0, 4.0, 4.0], [4.0, 4.0, 4.0]] 2\n"), result.stderr
