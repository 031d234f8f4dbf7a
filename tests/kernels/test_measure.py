"""The queue is worked off: right before fast, one process an entry, and what was done stays done."""

import ctypes
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recevolve.kernels import measure
from recevolve.kernels.gpu_queue import queue
from recevolve.kernels.gpu_queue.queue import Argument, Buffer, Entry, digest
from recevolve.kernels.gpu_queue.record_entry import NotReplayable, assembled, record
from recevolve.kernels.operators import OPERATORS
from recevolve.kernels.timing.comparison import roof
from recevolve.kernels.timing.measure_entry import measure_entry
from recevolve.kernels.timing.measurements import Machine, Measurements, Result
from recevolve.kernels.timing.replay import loaded, pack, prepare

from .programs import DOT, program
from .replays import SIZES, Array, Emulated, dot_entry, gpu

MACHINE = Machine(
    "H100", "9.0", "580.1", 3e12, {"torch": "2.11.0"}, "measure queue", "2026-01-01T00:00:00+00:00"
)


@pytest.fixture(scope="module")
def entry() -> Entry:
    return dot_entry()


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (Argument("*bf16", 1, offset=6), (0x2006).to_bytes(8, "little")),
        (Argument("i1", value=1), (1).to_bytes(4, "little")),
        (Argument("i8", value=-2), b"\xfe"),
        (Argument("i32", value=-3), (2**32 - 3).to_bytes(4, "little")),
        (Argument("i64", value=2**40), (2**40).to_bytes(8, "little")),
        (Argument("u32", value=2**32 - 1), b"\xff" * 4),
        (Argument("fp32", value=0.1), np.float32(0.1).tobytes()),
        (Argument("fp64", value=0.1), np.float64(0.1).tobytes()),
        (Argument("fp16", value=0.1), np.float16(0.1).tobytes()),
        (Argument("bf16", value=1.0), b"\x80\x3f"),
    ],
    ids=lambda value: value.type if isinstance(value, Argument) else "",
)
def test_parameters_are_packed_as_the_driver_reads_them(argument: Argument, expected: bytes) -> None:
    (packed,) = pack([argument], [0x1000, 0x2000])
    assert ctypes.string_at(ctypes.addressof(packed), ctypes.sizeof(packed)) == expected


def test_a_parameter_of_no_known_type_is_refused() -> None:
    with pytest.raises(ValueError, match="type 'nvTmaDesc'"):
        pack([Argument("nvTmaDesc")], [])


@pytest.mark.tritons
def test_a_recorded_program_is_replayed_on_other_inputs(entry: Entry) -> None:
    launcher = Emulated()
    handles = loaded(entry, launcher, "ptx")
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(7))
    run = prepare(entry, "forward", [x], launcher, handles)
    run.poison()
    assert run.outputs[0].isnan().all()
    (output,) = run()
    torch.testing.assert_close(output, OPERATORS["pairwise_dot"].reference(x))
    assert launcher.codes == [
        entry.code[step.ptx] + b"\0" for each in entry.passes.values() for step in each.steps
    ]


def test_memory_that_was_zeroed_is_zeroed_in_every_call(entry: Entry) -> None:
    whole = entry.passes["forward"]
    out = next(index for index, buffer in enumerate(whole.buffers) if buffer.role == "output")
    buffers = tuple(replace(each, zeroed=index == out) for index, each in enumerate(whole.buffers))
    adding = replace(entry, passes={"forward": replace(whole, buffers=buffers)})
    launcher = Emulated()
    x = torch.randn(4, 3, 5)
    run = prepare(adding, "forward", [x], launcher, loaded(adding, launcher, "ptx"))
    seen: list[float] = []
    launcher.launch = lambda *_: seen.append(float(run.outputs[0].abs().sum()))  # type: ignore[method-assign]
    for _ in range(2):
        run.poison()
        run()
    assert seen == [0.0, 0.0]


def test_inputs_of_another_size_are_refused(entry: Entry) -> None:
    launcher = Emulated()
    with pytest.raises(ValueError, match="record the program again"):
        prepare(entry, "forward", [torch.randn(4, 3, 6)], launcher, loaded(entry, launcher, "ptx"))


@pytest.mark.tritons
def test_an_honest_entry_is_measured(entry: Entry) -> None:
    launcher = Emulated()
    result = measure_entry(entry, gpu(launcher), seed=0)
    assert (result.verdict, result.reason, result.assembled) == ("measured", "", "ptx")
    assert set(result.timings) == {"forward", "backward"}
    timing = result.timings["forward"]
    assert (timing.cold.median, timing.cold.rounds, timing.warm.median, timing.bracket) == (
        1e-5,
        30,
        1e-5,
        1e-6,
    )
    assert timing.ratios["eager"].ratio == pytest.approx(2.0)
    assert timing.ratios["eager"].verdict == "faster"
    assert set(timing.failed) == {"compile", "compile-max-autotune"}
    assert timing.error_ratio < 3
    assert result.seconds == 2e-5
    assert 0 < timing.roofline_share < 1
    machine = Measurements(MACHINE, (result,))
    assert Measurements.from_json(machine.to_json()) == machine


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda values, launch: values * 1.001, "forward: result 0 has a relative error of 1.0e-03"),
        (
            lambda values, launch: values * (1.001 if launch > 100 else 1),
            "forward, after timing: result 0 has",
        ),
        (lambda values, launch: values.astype(np.float16).astype(np.float32), "times eager's"),
        (lambda values, launch: np.full_like(values, np.nan), "not finite where the reference is finite"),
        (lambda values, launch: values * np.float32(1 + 1.3e-7 * (launch == 15)), "other bits in repeat 13"),
    ],
    ids=["wrong", "wrong once the clock has run", "in half precision", "nan", "racing"],
)
def test_a_wrong_result_gets_no_time(entry: Entry, spoil: Callable[[Array, int], Array], reason: str) -> None:
    result = measure_entry(entry, gpu(Emulated(spoil)), seed=0)
    assert result.verdict == "wrong"
    assert reason in result.reason
    assert result.timings == {}


def test_what_writes_to_its_inputs_is_wrong(entry: Entry) -> None:
    launcher = Emulated()
    honest = launcher.launch

    def clobber(handle: Any, grid: Any, threads: int, shared: int, parameters: Any) -> None:
        honest(handle, grid, threads, shared, parameters)
        ctypes.c_float.from_address(parameters[0].value).value = 0.0

    launcher.launch = clobber  # type: ignore[method-assign]
    assert "input 0 does not hold" in measure_entry(entry, gpu(launcher), seed=0).reason


def test_sums_that_are_atomic_may_differ_in_a_repeat(entry: Entry) -> None:
    (step,) = entry.passes["forward"].steps
    text = entry.code[step.ptx] + b"\nred.global.gpu.relaxed.add.f32 [%rd1], %r1;\n"
    adding = replace(
        entry,
        passes={"forward": replace(entry.passes["forward"], steps=(replace(step, ptx=digest(text)),))},
        code={digest(text): text},
    )
    once = Emulated(lambda values, launch: values * np.float32(1 + 1.3e-7 * (launch == 15)))
    assert measure_entry(adding, gpu(once), seed=0).verdict == "measured"


def test_a_time_below_the_roofline_is_doubted(entry: Entry) -> None:
    slow_memory = replace(gpu(Emulated()), bytes_per_second=1e6)
    result = measure_entry(entry, slow_memory, seed=0)
    assert result.verdict == "measured"
    assert (
        result.reason == "faster than the roofline allows in forward and backward: look before you believe it"
    )


def test_what_the_driver_will_not_have_is_refused(entry: Entry) -> None:
    result = measure_entry(entry, gpu(Emulated(refuse="cuModuleLoadData answered 209: no image")), seed=0)
    assert (result.verdict, result.reason) == ("refused", "cuModuleLoadData answered 209: no image")
    other = measure_entry(replace(entry, operator="mine"), gpu(Emulated()), seed=0)
    assert (other.verdict, other.reason) == ("refused", "there is no operator 'mine' here")


@pytest.mark.process
def test_binaries_are_loaded_where_they_fit_and_text_elsewhere(entry: Entry) -> None:
    whole = assembled(entry)
    assert all(step.cubin for each in whole.passes.values() for step in each.steps)
    here, elsewhere = Emulated(), Emulated()
    loads = [
        measure_entry(whole, gpu(here), seed=0, rounds=2),
        measure_entry(whole, gpu(elsewhere, "sm_100"), seed=0, rounds=2),
    ]
    assert [each.assembled for each in loads] == ["cubin", "ptx"]
    assert all(code.startswith(b"\x7fELF") for code in here.codes)
    assert all(b".version" in code and code.endswith(b"\0") for code in elsewhere.codes)


def test_the_roofline_is_the_slower_of_bytes_and_operations() -> None:
    dot, cross = OPERATORS["pairwise_dot"], OPERATORS["dcn_v2_cross"]
    name = "NVIDIA H100 80GB HBM3"
    sizes = {"B": 8192, "F": 27, "D": 128}
    seconds, bound = roof(dot, sizes, torch.bfloat16, "forward", name, 3.0e12)
    assert bound == "bytes"
    assert seconds == pytest.approx((8192 * (27 * 128 + 351)) * 2 / 3.0e12)
    seconds, bound = roof(cross, {"B": 8192, "K": 3456}, torch.bfloat16, "forward", name, 3.0e12)
    assert bound == "operations"
    assert seconds == pytest.approx(245e-6, rel=0.02)
    assert roof(cross, {"B": 8192, "K": 3456}, torch.bfloat16, "forward", "Another GPU", 3.0e12)[1] == "bytes"


CHANGES = {
    "torch computes": ("    return out\n", "    return out.clone()\n"),
    "a fill that is not zero": ("torch.empty((B, F", "torch.ones((B, F"),
    "the input is the result": ("    return out\n", "    return x\n"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_launches_alone_do_not_make_is_not_recorded(what: str) -> None:
    operator = OPERATORS["pairwise_dot"]
    inputs = operator.draw(SIZES, torch.float32, torch.Generator().manual_seed(0))
    with pytest.raises(NotReplayable):
        record(operator, vars(program(DOT, CHANGES[what])), SIZES, inputs, name="a", program_id="b")


def test_zeros_are_recorded_as_such() -> None:
    operator = OPERATORS["pairwise_dot"]
    inputs = operator.draw(SIZES, torch.float32, torch.Generator().manual_seed(0))
    module = program(DOT, ("torch.empty((B, F", "torch.zeros((B, F"))
    entry = record(operator, vars(module), SIZES, inputs, name="a", program_id="b")
    assert {each.role: each.zeroed for each in entry.passes["forward"].buffers} == {
        "input": False,
        "output": True,
    }
    assert sum(isinstance(each, Buffer) for each in entry.passes["forward"].buffers) == 2


def test_the_queue_goes_on_where_it_stopped(tmp_path: Path, entry: Entry) -> None:
    output = tmp_path / "results.json"
    judged: list[str] = []

    def once(each: Entry) -> Result:
        judged.append(each.id)
        if len(judged) == 2:
            raise KeyboardInterrupt
        return Result(each.id, each.program, "refused", "for the test")

    entries = [replace(entry, id=name) for name in "abc"]
    with pytest.raises(KeyboardInterrupt):
        measure.work_off(entries, output, lambda: MACHINE, once, say=lambda line: None)
    assert [each.id for each in Measurements.load(output).results] == ["a"]
    done = measure.work_off(entries, output, lambda: MACHINE, once, say=lambda line: None)
    assert judged == ["a", "b", "b", "c"]
    assert Measurements.load(output) == done
    changed = [replace(entries[0], program="other"), *entries[1:]]
    measure.work_off(changed, output, lambda: MACHINE, once, say=lambda line: None)
    assert judged[4:] == ["a"]
    measure.work_off(changed, output, lambda: MACHINE, once, again=True, say=lambda line: None)
    assert judged[5:] == ["a", "b", "c"]
    assert [each.id for each in Measurements.load(output).results] == ["a", "b", "c"]


def test_results_of_two_devices_are_not_mixed(tmp_path: Path, entry: Entry) -> None:
    output = tmp_path / "results.json"
    Measurements(MACHINE).save(output)
    with pytest.raises(ValueError, match="name another file"):
        measure.work_off(
            [entry], output, lambda: replace(MACHINE, device="A100"), lambda each: pytest.fail("judged")
        )


@pytest.mark.process
@pytest.mark.parametrize(
    ("code", "verdict", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", "crashed", "ended with -11"),
        ("raise RuntimeError('an illegal memory access')", "crashed", "an illegal memory access"),
        ("import signal; signal.pause()", "timed_out", "within 0.5"),
    ],
)
def test_an_entry_that_dies_is_a_verdict(entry: Entry, code: str, verdict: str, reason: str) -> None:
    result = measure.in_process(
        entry, [sys.executable, "-c", code], timeout=0.5 if verdict == "timed_out" else 60
    )
    assert result.verdict == verdict
    assert reason in result.reason


@pytest.mark.process
def test_the_answer_of_a_process_is_read(entry: Entry) -> None:
    code = (
        "import json, sys; json.dump({'id': 'dot.small', 'program': '0123', 'verdict': 'refused', "
        "'reason': 'no', 'assembled': '', 'timings': {}}, open(sys.argv[-1], 'w'))"
    )
    result = measure.in_process(entry, [sys.executable, "-c", code], timeout=60)
    assert result == Result("dot.small", "0123", "refused", "no")


def test_without_a_gpu_the_queue_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], entry: Entry
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    queue.write(tmp_path, [entry])
    assert measure.main([str(tmp_path)]) == 2
    assert "needs an NVIDIA GPU" in capsys.readouterr().err
    assert not (tmp_path / "results.json").exists()
    assert digest(next(iter(entry.code.values()))) in entry.code
