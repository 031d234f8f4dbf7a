"""The queue gives back what was put in, and refuses what was changed on the way."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recevolve.kernels.gpu_queue.queue import (
    Argument,
    Buffer,
    Entry,
    Output,
    Pass,
    Step,
    digest,
    read,
    read_one,
    write,
)

CUBIN, PTX = b"\x7fELF machine code", b".version 8.8"


def entry(name: str = "dot-1") -> Entry:
    arguments = (
        Argument("*bf16", 0),
        Argument("*bf16", 1, offset=32),
        Argument("i32", value=27),
        Argument("fp32", value=0.5),
    )
    step = Step("dot_forward", (512, 1, 1), 4, 4096, arguments, digest(PTX), digest(CUBIN), 2, 16)
    forward = Pass(
        (Buffer("input", 0, 1024), Buffer("output", 0, 64, zeroed=True)),
        (step,),
        (Output(1, (2, 8), (8, 1), "bfloat16"),),
    )
    return Entry(
        name,
        "0123abcd",
        "pairwise_dot",
        {"B": 2, "F": 27, "D": 16},
        "bfloat16",
        "sm_90",
        {"forward": forward},
        {"triton": "3.7.1"},
        "small",
        {digest(PTX): PTX, digest(CUBIN): CUBIN},
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files = write(tmp_path, [entry("b"), entry("a")])
    assert [path.name for path in files] == ["b.json", "a.json"]
    assert read(tmp_path) == [entry("a"), entry("b")]
    assert [each.code for each in read(tmp_path)] == [entry().code] * 2


def test_code_that_two_entries_share_is_stored_once(tmp_path: Path) -> None:
    write(tmp_path, [entry("a"), entry("b")])
    assert sorted(path.suffix for path in (tmp_path / "binaries").iterdir()) == [".cubin", ".ptx"]


def test_an_entry_without_a_binary_keeps_its_text(tmp_path: Path) -> None:
    whole = entry().passes["forward"]
    bare = replace(
        entry(),
        passes={"forward": replace(whole, steps=(replace(whole.steps[0], cubin=""),))},
        code={digest(PTX): PTX},
    )
    write(tmp_path, [bare])
    assert read_one(tmp_path, bare.id).code == {digest(PTX): PTX}


def test_an_entry_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, [entry()])
    write(tmp_path, [replace(entry(), note="again")])
    assert [each.note for each in read(tmp_path)] == ["again"]


@pytest.mark.parametrize("name", ["", "../elsewhere", "a/b", "a b"])
def test_a_name_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="expected an id"):
        write(tmp_path, [entry(name)])
    assert not list(tmp_path.rglob("*.json"))


def test_code_that_is_missing_is_refused_before_the_entry_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing"):
        write(tmp_path, [replace(entry(), code={})])
    assert not list(tmp_path.rglob("*.json"))


def test_code_that_was_changed_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [entry()])
    (tmp_path / "binaries" / f"{digest(CUBIN)}.cubin").write_bytes(b"\x7fELF other code")
    with pytest.raises(ValueError, match="not what its digest says"):
        read(tmp_path)


def test_a_folder_that_is_no_queue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no gpu-queue"):
        read(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    (path,) = write(tmp_path, [entry()])
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    with pytest.raises(ValueError, match="format"):
        read(tmp_path)
