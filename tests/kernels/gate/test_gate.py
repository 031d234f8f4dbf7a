"""The gate lets honest programs pass and names what is wrong with each of a battery of others."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import pytest
import torch

from recevolve.kernels.gate import accuracy
from recevolve.kernels.gate.backends import Interpreted
from recevolve.kernels.gate.gate import CHECKS, QUICK, gate
from recevolve.kernels.gate.report import NAMES, Direction, Report
from recevolve.kernels.operators import OPERATORS

from ..programs import CROSS, DOT, program

BACKEND = Interpreted(compiles=False)
SMALL = [{"B": 2, "F": 3, "D": 5}]
Change = tuple[str, str]


def judge(
    module: ModuleType | Mapping[str, object],
    *checks: str,
    direction: Direction = "forward",
    dtype: torch.dtype = torch.float32,
    sizes: list[dict[str, int]] = SMALL,
    operator: str = "pairwise_dot",
) -> Report:
    return gate(
        OPERATORS[operator],
        vars(module) if isinstance(module, ModuleType) else module,
        [dtype],
        sizes,
        backend=BACKEND,
        directions=[direction],
        checks=checks or ("value",),
    )


OUT = "    out = torch.empty((B, F * (F - 1) // 2), dtype=x.dtype, device=x.device)\n"
TAIL = "    return out\n"
TORCH = (
    "    grams = torch.bmm(x, x.transpose(1, 2))\n    rows, columns = torch.triu_indices(F, F, 1)\n"
    "    return grams[:, rows, columns]\n"
)
PAIRS = "mask=(i < j) & (j < F))"
LOADED = "mask=inside, other=0.0)\n    gram"
GRAM = '    gram = tl.dot(tile, tl.trans(tile), input_precision="ieee")\n'
GRADIENTS = "mask=(low != high) & (high < F), other=0.0)"
LAUNCH = "    if out.numel() > 0:\n"
MEMORY = ("CONFIG =", "SEEN = {}\nCONFIG =")
STORE = "    tl.store(out + b * ob + place, gram.to(out.dtype.element_ty), " + PAIRS + "\n"
ROW = """    b = tl.program_id(0).to(tl.int64)
    f = tl.arange(0, FP)
    d = tl.arange(0, DP)
    inside"""


@dataclass(frozen=True)
class Wrong:
    """One wrong program: changes to the honest one, and what finds them."""

    name: str
    changes: tuple[Change, ...]
    check: str = "value"
    direction: Direction = "forward"
    dtype: torch.dtype = torch.float32


BATTERY = {
    "torch does the work": Wrong("torch_computes", ((TAIL, TORCH),)),
    "torch does the work behind a decoy": Wrong("unlaunched", ((TAIL, TORCH),), "work"),
    "the output is copied by torch": Wrong("torch_computes", ((TAIL, "    return out.clone()\n"),)),
    "the host reads a result": Wrong(
        "torch_computes",
        ((TAIL, "    if out.numel() > 0 and out[0, 0].item() > 1e9:\n        return x\n" + TAIL),),
    ),
    "nothing is launched": Wrong("unlaunched", ((LAUNCH, "    if out.numel() > 10**9:\n"),)),
    "a result is kept by the address of its input": Wrong(
        "stale",
        (
            MEMORY,
            (LAUNCH, "    if x.data_ptr() in SEEN:\n        return SEEN[x.data_ptr()]\n" + LAUNCH),
            (TAIL, "    SEEN[x.data_ptr()] = out\n" + TAIL),
        ),
        "refill",
    ),
    "one output serves every call": Wrong(
        "alias",
        (MEMORY, (OUT, "    out = SEEN.setdefault(x.shape, " + OUT.split(" = ", 1)[1].rstrip() + ")\n")),
        "refill",
    ),
    "the answer depends on how often it was asked": Wrong(
        "unrepeatable",
        (
            MEMORY,
            (
                ", FP: tl.constexpr, DP: tl.constexpr):\n" + ROW,
                ", c, FP: tl.constexpr, DP: tl.constexpr):\n" + ROW,
            ),
            (GRAM, GRAM + "    gram = gram * (1.0 + c * 1.2e-7)\n"),
            ("out.stride(0), FP=FP", "out.stride(0), len(SEEN) % 2 + 2, FP=FP"),
            (OUT, "    SEEN[len(SEEN)] = 0\n" + OUT),
        ),
        "refill",
    ),
    "the input is overwritten": Wrong(
        "inputs_changed",
        (
            (
                GRAM,
                GRAM + "    tl.store(x + b * xb + d * xd, tl.zeros((DP,), x.dtype.element_ty), mask=d < D)\n",
            ),
        ),
    ),
    "one width alone is right": Wrong(
        "wrong", ((GRAM, GRAM + "    gram = tl.where(D == 16, gram, gram * 2)\n"),)
    ),
    "a load runs over the end": Wrong(
        "out_of_bounds", ((LOADED, "mask=f[:, None] < F, other=0.0)\n    gram"),)
    ),
    "a store runs over the end": Wrong("out_of_bounds", ((PAIRS, "mask=i < j)"),)),
    "two programs write one row": Wrong(
        "race",
        (("dot_forward[(B,)](", "dot_forward[(B * 2,)]("), (ROW, ROW.replace("int64)", "int64) // 2", 1))),
    ),
    "a sum is split over programs that load, add and store": Wrong(
        "race",
        (
            ("dot_forward[(B,)](", "dot_forward[(B * 2,)]("),
            (ROW, ROW.replace("int64)", "int64) // 2", 1)),
            (
                STORE,
                "    before = tl.load(out + b * ob + place, mask=(i < j) & (j < F), other=0.0)\n"
                + STORE.replace("gram", "(before + gram * 0.5)"),
            ),
            (OUT, OUT.replace("empty", "zeros")),
        ),
    ),
    "the tail is never written": Wrong("unwritten", ((PAIRS, "mask=(i < j) & (j < F - 1))"),)),
    "tf32 stands for float32": Wrong("imprecise", ((GRAM, GRAM.replace("ieee", "tf32")),)),
    "float16 stands for float32": Wrong("imprecise", ((GRAM, "    tile = tile.to(tl.float16)\n" + GRAM),)),
    "tf32 stands for float32 in the gradient": Wrong(
        "imprecise",
        (('tl.dot(pairs, tile, input_precision="ieee")', "tl.dot(pairs, tile)"),),
        direction="backward",
    ),
    "a pair is left out of the gradient": Wrong(
        "wrong", ((GRADIENTS, GRADIENTS.replace("high < F", "high < F - 1")),), direction="backward"
    ),
    "the gradient is not of this forward": Wrong(
        "gradient", ((GRADIENTS, GRADIENTS.replace("high < F", "high < F - 1")),), "gradcheck", "backward"
    ),
    "the gradient comes without its tuple": Wrong(
        "type", (("return (dx,)", "return dx"),), direction="backward"
    ),
    "the strides are those of a transpose": Wrong(
        "strides",
        (
            (OUT, "    out = torch.empty((F * (F - 1) // 2, B), dtype=x.dtype, device=x.device).t()\n"),
            (STORE, STORE.replace("place", "place * 2")),
        ),
    ),
    "the result is a subclass": Wrong(
        "type",
        (
            ("CONFIG =", "class Later(torch.Tensor):\n    pass\n\n\nCONFIG ="),
            (TAIL, "    return out.as_subclass(Later)\n"),
        ),
    ),
    "the result is part of something larger": Wrong(
        "alias", ((OUT, OUT.replace("(B, ", "(B + 1, ")), (TAIL, "    return out[:B]\n"))
    ),
    "the result is the input": Wrong("alias", ((TAIL, "    return x\n"),)),
    "the result has a wider dtype": Wrong(
        "dtype", ((OUT, OUT.replace("x.dtype", "torch.float32")),), dtype=torch.bfloat16
    ),
    "the result has another shape": Wrong("shape", ((TAIL, "    return out.view(-1)\n"),)),
    "NaN is swept away": Wrong(
        "nan", ((GRAM, "    tile = tl.where(tile == tile, tile, 0.0)\n" + GRAM),), "nan"
    ),
    "the last dimension is taken to be dense": Wrong(
        "nan", (("xf + d[None, :] * xd, " + LOADED, "xf + d[None, :], " + LOADED),), "layout"
    ),
    "the gradient is taken to be dense": Wrong(
        "out_of_bounds", (("place * gp", "place"),), "layout", "backward"
    ),
    "offsets are taken in 32 bits": Wrong("out_of_bounds", ((ROW, ROW.replace(".to(tl.int64)", "")),), "far"),
    "forward raises": Wrong("raises", ((OUT, OUT + "    raise RuntimeError('no')\n"),)),
    "forward does not compile": Wrong("raises", ((GRAM, GRAM.replace("tl.trans(tile)", "f")),)),
}


@pytest.mark.parametrize("case", BATTERY)
def test_a_wrong_program_is_caught_by_name(case: str) -> None:
    wrong = BATTERY[case]
    report = judge(program(DOT, *wrong.changes), wrong.check, direction=wrong.direction, dtype=wrong.dtype)
    assert wrong.name in report.names, [str(finding) for finding in report.findings]
    assert {finding.check for finding in report.findings} == {wrong.check}


def test_the_battery_and_the_names_agree() -> None:
    elsewhere = {"missing", "overflow"}
    assert {wrong.name for wrong in BATTERY.values()} == set(NAMES) - elsewhere
    assert {wrong.check for wrong in BATTERY.values()} == set(CHECKS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_an_honest_program_passes_every_check(dtype: torch.dtype) -> None:
    backend = Interpreted(compiles=dtype == torch.bfloat16)
    report = gate(
        OPERATORS["pairwise_dot"], vars(program(DOT)), [dtype], backend=backend, checks=tuple(CHECKS)
    )
    assert report.findings == ()
    assert report.passed
    assert report.calls >= 30
    assert report.launches >= 24


def test_a_cross_layer_passes_and_is_caught_without_its_bias() -> None:
    sizes = [{"B": 2, "K": 5}, {"B": 1, "K": 9}]
    honest = judge(program(CROSS), *QUICK, sizes=sizes, operator="dcn_v2_cross")
    assert honest.findings == ()
    bare = program(CROSS, (" + tl.load(bias + i * bk, mask=i < K, other=0.0).to(tl.float32)", ""))
    assert judge(bare, sizes=sizes, operator="dcn_v2_cross").names == {"wrong"}


def test_a_term_that_identity_weights_would_hide_is_missed_by_nobody() -> None:
    """With W = I, W x is x; a program that never multiplies by W is right there and wrong here."""
    lazy = program(
        CROSS, ("tl.sum(weight * there, axis=1)", "tl.sum(tl.where(rows == columns, there, 0.0), axis=1)")
    )
    x0, x, bias = (
        torch.randn(shape, generator=torch.Generator().manual_seed(0)) for shape in ((2, 5), (2, 5), (5,))
    )
    with_identity = BACKEND.call(lambda: lazy.forward(x0, x, torch.eye(5), bias), seed=0)
    torch.testing.assert_close(with_identity.result, x0 * (x + bias) + x)
    report = judge(lazy, sizes=[{"B": 2, "K": 5}], operator="dcn_v2_cross")
    assert report.names == {"wrong"}


@pytest.mark.parametrize(
    ("exact", "strict", "cancels", "output", "fine"),
    [
        (math.nan, True, False, math.nan, True),
        (math.nan, True, False, math.inf, False),
        (math.nan, True, False, 1.0, False),
        (math.nan, True, True, -math.inf, True),
        (math.nan, True, True, 1.0, False),
        (math.inf, True, True, math.nan, True),
        (math.inf, True, True, -math.inf, False),
        (math.inf, True, True, 1.0, False),
        (math.nan, False, False, 1.0, True),
        (1.0, False, False, math.nan, False),
        (1.0, True, True, math.inf, False),
    ],
)
def test_damage_spreads_as_in_the_reference(
    exact: float, strict: bool, cancels: bool, output: float, fine: bool
) -> None:
    tensor = torch.tensor([exact], dtype=torch.float64)
    truth = accuracy.Truth(tensor, tensor.float(), 0.0, 0.0)
    assert (accuracy.pattern(torch.tensor([output]), truth, strict, cancels) is None) == fine


def test_what_is_missing_is_said_without_a_call() -> None:
    report = judge({"forward": 3})
    assert (report.names, report.calls) == ({"missing"}, 0)


def test_zeros_need_no_launch() -> None:
    """With one field there is no pair: the gradient is zero, and zeros that the host asked for are right."""
    few = (("torch.empty_like(x)", "torch.zeros_like(x)"), ("if dx.numel() > 0", "if F > 1"))
    assert judge(program(DOT, *few), direction="backward", sizes=[{"B": 2, "F": 1, "D": 4}]).findings == ()


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_one_field_alone_leaves_nothing_to_launch_for_and_nothing_to_spoil(direction: Direction) -> None:
    report = judge(program(DOT), *QUICK, direction=direction, sizes=[{"B": 5, "F": 1, "D": 7}])
    assert report.findings == ()


def test_the_first_finding_is_enough_where_one_is_asked_for() -> None:
    wrong = program(DOT, (TAIL, TORCH))
    report = gate(OPERATORS["pairwise_dot"], vars(wrong), sizes=SMALL, stop=True)
    assert len(report.findings) == 1
    assert report.calls == 1


def test_cpu_time_is_read_from_the_clock_that_is_given() -> None:
    ticks = iter([10.0, 17.0])
    report = gate(
        OPERATORS["pairwise_dot"],
        {},
        [torch.float32],
        SMALL,
        directions=["forward"],
        clock=lambda: next(ticks),
    )
    assert report.cpu_seconds == 7.0


def test_a_check_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there are the checks value"):
        judge(program(DOT), "speed")


def test_a_finding_says_where_it_was_seen() -> None:
    (finding,) = judge(program(DOT, (PAIRS, "mask=(i < j) & (j < F - 1))"))).findings
    assert str(finding).startswith("unwritten (value) in forward, float32, B=2 F=3 D=5: 4 of 6 elements")
