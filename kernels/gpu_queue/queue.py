"""The gpu-queue: programs that wait for a GPU, a folder of JSON and binaries that needs no other part of us.

QUEUE/entries/ID.json says what to launch on which memory, QUEUE/binaries/SHA256.cubin and .ptx are the code.
A candidate's own host code is not in it: its launches were recorded, and are replayed.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..json_values import from_plain, to_plain

FORMAT = 1
"""Raised when the files' meaning changes; a reader refuses another one."""
Role = Literal["input", "grad", "output", "scratch"]
_ID = re.compile(r"[A-Za-z0-9._-]{1,120}")


@dataclass(frozen=True)
class Buffer:
    """One piece of memory of a pass."""

    role: Role
    index: int
    """Which input, in the operator's order, or which output; 0 for the gradient; scratch counts up."""
    bytes: int
    zeroed: bool = False
    """Whether the program had it filled with zeros; a replay does so in every call, on the clock."""


@dataclass(frozen=True)
class Argument:
    """One parameter of a kernel, constants left out: an address, or a number."""

    type: str
    """Triton's: "*bf16" for an address, "i1" to "i64", "u1" to "u64", "fp16", "bf16", "fp32", "fp64"."""
    buffer: int = -1
    offset: int = 0
    """Bytes from the start of the buffer."""
    value: int | float | bool = 0

    @property
    def is_address(self) -> bool:
        return self.type.startswith("*")


@dataclass(frozen=True)
class Step:
    """One launch. `ptx` and `cubin` are SHA-256 digests of the code; an empty cubin was not assembled yet."""

    kernel: str
    """The function's name in the code."""
    grid: tuple[int, int, int]
    warps: int
    shared: int
    """Bytes of dynamic shared memory of a block."""
    arguments: tuple[Argument, ...]
    ptx: str
    cubin: str = ""
    hidden: int = 2
    """How many addresses Triton put behind the arguments: of scratch, then null."""
    scratch: int = 0
    """Bytes of scratch for each program of the grid; none: the address is null."""


@dataclass(frozen=True)
class Output:
    """One result: where it stands and what it looks like."""

    buffer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Pass:
    """One direction: memory, launches in order, results."""

    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class Entry:
    """One program at one shape. `code` holds what the steps name, by digest."""

    id: str
    """Names its file: letters, digits, `.`, `_` and `-`."""
    program: str
    """The program's content id."""
    operator: str
    sizes: Mapping[str, int]
    dtype: str
    target: str
    """What the binaries are for: "sm_90"."""
    passes: Mapping[str, Pass]
    """By direction."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of what compiled it: triton, torch, ptxas."""
    note: str = ""
    """For readers: a shape's name, an estimate and what it is one of."""
    code: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def steps(self) -> list[Step]:
        """Of all directions."""
        return [step for each in self.passes.values() for step in each.steps]

    def files(self) -> dict[str, str]:
        """The names of the files that hold what the steps name, by digest."""
        names = [(step.ptx, ".ptx") for step in self.steps] + [(step.cubin, ".cubin") for step in self.steps]
        return {code: code + suffix for code, suffix in names if code}

    def to_json(self) -> dict[str, Any]:
        """Plain values, without `code`."""
        plain = to_plain(replace(self, code={}))
        del plain["code"]
        return {"format": FORMAT, **plain}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], code: Mapping[str, bytes] | None = None) -> "Entry":
        """The entry that `to_json` was called on. ValueError for another format, or anything else."""
        values = dict(data)
        if values.pop("format", None) != FORMAT:
            raise ValueError(
                f"expected an entry of format {FORMAT}, got {data.get('format')!r}: write it again"
            )
        return replace(from_plain(cls, values), code=dict(code or {}))


def digest(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()


def write(folder: Path, entries: Iterable[Entry]) -> list[Path]:
    """Adds entries to a queue and returns their files. An entry of the same id is replaced.

    Raises ValueError for an id that is no file's name, and for code that is missing or not what its digest
    says.
    """
    written = []
    for entry in entries:
        _require_name(entry.id)
        for name, file in entry.files().items():
            write_whole(folder / "binaries" / file, _checked(entry.code, name, entry.id))
        path = folder / "entries" / f"{entry.id}.json"
        write_whole(path, json.dumps(entry.to_json(), indent=1, sort_keys=True).encode())
        written.append(path)
    return written


def read(folder: Path) -> list[Entry]:
    """All entries with their code, ordered by id.

    Raises FileNotFoundError where the folder is no queue, ValueError where code is missing or was changed.
    """
    if not (folder / "entries").is_dir():
        raise FileNotFoundError(f"{folder} is no gpu-queue: it has no folder `entries`")
    return [read_one(folder, path.stem) for path in sorted((folder / "entries").glob("*.json"))]


def read_one(folder: Path, name: str) -> Entry:
    """The entry of an id, with its code. Raises as `read` does, and ValueError for no file's name."""
    _require_name(name)
    entry = Entry.from_json(json.loads((folder / "entries" / f"{name}.json").read_text()))
    paths = {key: folder / "binaries" / file for key, file in entry.files().items()}
    code = {key: path.read_bytes() for key, path in paths.items() if path.is_file()}
    return replace(entry, code={key: _checked(code, key, entry.id) for key in paths})


def _require_name(entry: str) -> None:
    if not _ID.fullmatch(entry):
        raise ValueError(f"expected an id of letters, digits, `.`, `_` and `-`, got {entry!r}")


def _checked(code: Mapping[str, bytes], name: str, entry: str) -> bytes:
    if name not in code:
        raise ValueError(f"entry {entry} needs code {name[:12]}…, which is missing: write the entry again")
    if digest(code[name]) != name:
        raise ValueError(
            f"code {name[:12]}… of entry {entry} is not what its digest says: write the entry again"
        )
    return code[name]


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file that readers see whole or not at all. Folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with beside.open("xb") as file:  # a link of that name is not followed
        file.write(content)
    beside.replace(path)
