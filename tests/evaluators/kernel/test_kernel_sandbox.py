"""What meets a candidate's bytes outside of its process: the assembler's sandbox, the wire, the patch."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from recevolve.evaluators.kernel import assembler, wire
from recevolve.evaluators.kernel.assembler import assembled, sandboxed
from recevolve.evaluators.kernel.task import TASK
from recevolve.evaluators.kernel.wire import MOST, Compilations
from recevolve.evaluators.kinds.failure import Failed
from recevolve.evaluators.kinds.task import Winner
from recevolve.kernels.record.binary import assemble
from recevolve.kernels.record.compiling import SM_90
from recevolve.kernels.record.launches import offline
from recevolve.kernels.record.load_source import load_program
from recevolve.population.values.verdict import Status


def ptx_of(source: str) -> str:
    with offline(execute="none", assemble=False) as recorder:
        load_program(source).forward(torch.zeros(4, 5, 16))
    return recorder.launches[0].ptx


@pytest.mark.sandbox
def test_in_the_sandbox_the_same_binary_is_made() -> None:
    ptx = ptx_of(TASK.seeds["row_per_program"])
    assert assembled(ptx, SM_90) == assemble(ptx, SM_90)


@pytest.mark.sandbox
def test_text_that_ptxas_refuses_is_a_verdict() -> None:
    with pytest.raises(Failed) as caught:
        assembled(".version 8.0\n.target sm_90\n.address_size 64\nnonsense;\n", SM_90)
    assert caught.value.verdict.status is Status.INVALID
    assert "ptxas refuses" in caught.value.verdict.reason


@pytest.mark.sandbox
def test_a_machine_that_is_too_busy_to_assemble_says_nothing_about_the_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(assembler, "PATIENCE", 0.0)
    with pytest.raises(Failed) as caught:
        assembled(f"{ptx_of(TASK.seeds['row_per_program'])}\n", SM_90)
    assert caught.value.verdict.status is Status.INFRASTRUCTURE


@pytest.mark.sandbox
def test_the_sandbox_around_the_assembler_shows_its_folder_and_no_other(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    place = tmp_path / "place"
    place.mkdir()
    outside.write_text("secret")
    (place / "own").write_text("text")
    command = sandboxed(place)
    if not command:
        pytest.skip("no bubblewrap works here")

    def read(path: Path) -> int:
        return subprocess.run([*command, "/bin/cat", path], capture_output=True, check=False).returncode

    assert read(place / "own") == 0
    assert read(outside) != 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.int64])
def test_tensors_cross_as_they_are(dtype: torch.dtype) -> None:
    for shape in ((), (0, 3), (2, 3)):
        tensor = (
            torch.arange(6, dtype=torch.float32)[: max(int(np.prod(shape)), 0)].reshape(shape) - 2.5
        ).to(dtype)
        assert torch.equal(wire.unpacked(wire.packed(tensor), shape, dtype), tensor)


@pytest.mark.parametrize("raw", [np.zeros(5, np.uint8), np.zeros(3, np.float64)])
def test_bytes_of_another_size_or_type_are_refused(raw: np.ndarray) -> None:
    with pytest.raises(Failed, match="expected"):
        wire.unpacked(raw, (3,), torch.float32)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\xff"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(Failed, match="no record"):
        wire.read({wire.RECORD: np.frombuffer(text.encode("latin-1"), np.uint8)})


def test_compilations_are_kept_up_to_a_number() -> None:
    kept = Compilations()
    for number in range(MOST + 5):
        kept.keep({wire.COMPILED: wire.written({f"kernel {number}": {}})})
    with kept.sent() as sent:
        assert sent.names == (wire.COMPILED,)
    assert len(kept._texts) == MOST
    assert f"kernel {MOST + 4}" in kept._texts


def test_a_patch_labels_its_figures_and_refuses_names_that_clash() -> None:
    source = TASK.seeds["row_per_program"]
    estimated = {
        "proxy": {
            "status": "scored",
            "score": [0.5, None, 1],
            "facts": {"shares": {"small": 0.5}, "bound": {"small": "dram"}, "trust": "uncalibrated"},
        }
    }
    readme = TASK.export(Winner("evolved", source, estimated))["README.md"]
    assert "| small | 50% | dram |" in readme
    assert "Nothing in this table was measured" in readme
    bare = TASK.export(Winner("evolved", source, {}))["README.md"]
    assert "Nothing was estimated or measured" in bare
    with pytest.raises(ValueError, match="rename"):
        TASK.export(Winner("evolved", source.replace("forward_kernel", "uses_kernels"), {}))
    with pytest.raises(ValueError, match="module name"):
        TASK.export(Winner("forward", source, {}))
