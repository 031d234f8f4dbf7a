"""The table and its gate: numbers stand on a green gate alone, and an estimate says that it is one."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from recevolve.kernels import bench
from recevolve.kernels.bench_table import measured
from recevolve.kernels.bench_table.rows import HEADINGS, Row, table
from recevolve.kernels.calibrate import kept
from recevolve.kernels.gpu_queue.queue import read
from recevolve.kernels.operators import OPERATORS, Shape
from recevolve.kernels.timing.cuda_graphs import Build

from .programs import DOT
from .replays import Emulated, FakeClock, gpu

ROOT = Path(__file__).parents[2]
ESTIMATED = Row(
    "dot", "small", "bfloat16", "forward", "estimate", 3.28e-6, 0.02, "launch", note="uncalibrated"
)
ARGUMENTS = ["--operator", "pairwise_dot", "--dtype", "float32", "--shape", "small"]


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that programs are read from, with an honest one."""
    (tmp_path / "pairwise_dot.py").write_text(DOT)
    monkeypatch.setattr(bench, "PROGRAMS", tmp_path)
    return tmp_path


def test_columns_that_say_nothing_are_left_out() -> None:
    heading, line = table([ESTIMATED]).splitlines()
    assert heading.split() == ["operator", "shape", "dtype", "direction", "kind", "us", "roofline", "note"]
    assert line.split() == ["dot", "small", "bfloat16", "forward", "estimate", "3.28", "2%", "uncalibrated"]
    assert len(ESTIMATED.cells()) == len(HEADINGS) == len(replace(ESTIMATED, kind="red").cells())


def test_a_red_row_has_no_number() -> None:
    assert "3.28" not in table([replace(ESTIMATED, kind="red")])


@pytest.mark.process
@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_rows_are_estimates(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = programs / "out.json"
    assert bench.main([*ARGUMENTS, "--json", str(written)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("static estimates for H100 SXM, no time was measured;")
    rows = json.loads(written.read_text())["rows"]
    assert [(row["kind"], row["direction"]) for row in rows] == [
        ("estimate", "forward"),
        ("estimate", "backward"),
    ]
    assert all(0 < row["share"] <= 1 and row["seconds"] > 1e-6 for row in rows)
    assert bench.main([*ARGUMENTS, "--baseline", str(written)]) == 0
    assert capsys.readouterr().out.count("1.00x (estimates)") == 2


@pytest.mark.usefixtures("no_gpu")
def test_a_red_gate_gives_no_number_and_an_exit_code(
    programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (programs / "pairwise_dot.py").write_text(
        DOT.replace('tl.trans(tile), input_precision="ieee"', "tl.trans(tile)")
    )
    assert bench.main(ARGUMENTS) == 1
    out = capsys.readouterr().out
    assert "imprecise (value) in forward" in out
    assert "%" not in out.splitlines()[-1].split("imprecise")[0]


@pytest.mark.heavy
@pytest.mark.usefixtures("no_gpu")
def test_the_check_says_a_line_for_each_operator_and_dtype(
    programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--check",
        "--quick",
        "--operator",
        "pairwise_dot",
        "--dtype",
        "float32",
        "--dtype",
        "bfloat16",
    ]
    assert bench.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [
        ["pairwise_dot", "float32", "green"],
        ["pairwise_dot", "bfloat16", "green"],
    ]
    assert lines[-1] == "2 checks under the interpreter, 0 of 2 red"
    (programs / "pairwise_dot.py").write_text(DOT.replace("mask=(i < j) & (j < F))", "mask=i < j)"))
    assert bench.main(arguments) == 1
    assert "out_of_bounds (value) in forward, float32" in capsys.readouterr().out


@pytest.mark.process
@pytest.mark.usefixtures("programs")
def test_our_own_programs_can_wait_in_a_queue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "queue"
    assert bench.main([*ARGUMENTS, "--queue", str(folder)]) == 0
    assert capsys.readouterr().out == f"1 entries in {folder}\n"
    (entry,) = read(folder)
    assert (entry.id, entry.target) == ("pairwise_dot.small.float32", "sm_90")
    assert entry.sizes == {"B": 512, "F": 11, "D": 16}
    assert [len(each.steps) for each in entry.passes.values()] == [1, 1]
    assert all(step.cubin in entry.code for each in entry.passes.values() for step in each.steps)
    (variant,) = kept(folder).values()
    assert {way: len(parts) for way, parts in variant.parts.items()} == {"forward": 1, "backward": 1}


@pytest.mark.slow
@pytest.mark.usefixtures("no_gpu")
def test_every_program_of_ours_passes_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--check"]) == 0, capsys.readouterr().out


def spoiled(factor: float) -> dict[str, Any]:
    return {
        "forward": lambda x: OPERATORS["pairwise_dot"].reference(x) * factor,
        "backward": lambda grad, x: torch.autograd.functional.vjp(
            OPERATORS["pairwise_dot"].reference, x, grad
        )[1:],
    }


def test_a_live_program_is_measured_and_a_wrong_one_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    dot, shape = OPERATORS["pairwise_dot"], Shape("tiny", {"B": 4, "F": 3, "D": 5}, "a test")
    ticks = iter(range(10_000))
    honest = measured.rows(
        dot,
        spoiled(1.0),
        spoiled(1.0),
        shape,
        torch.float32,
        gpu(Emulated()),
        0,
        3,
        lambda: next(ticks) * 1e-6,
    )
    assert [row.kind for row in honest] == ["measured", "measured"]
    assert honest[0].seconds == 1e-5
    assert honest[0].host == pytest.approx(1e-6)
    assert honest[0].ratios["previous"] == "1.00x [1.00, 1.00] tie"
    assert honest[0].ratios["eager"].endswith("faster")
    assert honest[0].ratios["compile"] == "failed"
    wrong = measured.rows(dot, spoiled(1.01), None, shape, torch.float32, gpu(Emulated()), 0, 3)
    assert [row.kind for row in wrong] == ["red", "measured"]
    assert "relative error of 1.0e-02" in wrong[0].note


def test_a_program_that_no_graph_can_hold_is_red() -> None:
    """Such as one that waits for the device, or moves numbers to the host."""
    dot, shape = OPERATORS["pairwise_dot"], Shape("tiny", {"B": 4, "F": 3, "D": 5}, "a test")

    def clock(builds: Mapping[str, Sequence[Build]], cold: bool) -> FakeClock:
        return FakeClock(builds, cold, {"program": "RuntimeError: operation not permitted when capturing"})

    here = replace(gpu(Emulated()), clock=clock)
    rows = measured.rows(dot, spoiled(1.0), None, shape, torch.float32, here, 0, 3)
    assert [row.kind for row in rows] == ["red", "red"]
    assert "cannot be captured in a graph: RuntimeError" in rows[0].note


def test_all_of_kernels_imports_nothing_but_torch_triton_and_numpy() -> None:
    code = (
        "import importlib, pkgutil, sys; import recevolve.kernels as kernels; "
        "names = [each.name for each in pkgutil.walk_packages(kernels.__path__, 'recevolve.kernels.')]; "
        "assert len(names) > 50; [importlib.import_module(name) for name in names]; "
        "print([name for name in ('litellm', 'sqlite_utils', 'pydantic', 'hypothesis', 'typer', 'scipy') "
        "if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
