"""From PTX to what a GPU would run, without a GPU: ptxas, cuobjdump and nvdisasm, which Triton brings along.

For AMD the assembly text says by itself what it needs, and nothing is assembled.
"""

import functools
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler.compiler import make_backend
from triton.runtime.errors import PTXASError

Source = tuple[str, int]
"""(file's last name, line)."""

_FILE = re.compile(r'\s*//## File "([^"]+)", line (\d+)')
_LABEL = re.compile(r"\s*(\.L_x?\w+):")
_INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;")
_OPCODE = re.compile(r"(?:@!?U?P\w+\s+)?([A-Z0-9_.x]+)")
_BRANCH = re.compile(r"\bBRA\b.*`\((\.L_x?\w+)\)")
_RESOURCE = re.compile(r"(REG|STACK|SHARED|LOCAL):(\d+)")


class AssemblyRefused(RuntimeError):
    """ptxas took the text for no program, or needs more registers than there are. The message is its own."""


class Instruction(NamedTuple):
    """One machine instruction of a warp."""

    text: str
    source: Source | None
    """Line of the kernel that it comes from; of an inlined function, the line of the call."""
    loops: tuple[int, ...]
    """Indices into `Binary.loops` of those that hold it, outermost first."""

    @property
    def opcode(self) -> str:
        """With its modifiers, without predicate and operands: "LDG.E.128"."""
        found = _OPCODE.match(self.text)
        return found.group(1) if found else self.text.split()[0]


@dataclass(frozen=True)
class Binary:
    """One kernel assembled for one target."""

    digest: str
    """Of the assembly text that it was made from: `digest(launch.ptx)`. Its hash is a Binary's."""
    cubin: bytes = field(hash=False)
    """Empty for AMD."""
    registers: int = field(hash=False)
    """For each thread."""
    spill_bytes: int = field(hash=False)
    """Of local memory and stack, for each thread."""
    shared_bytes: int = field(hash=False)
    """Static shared memory; what a launch asks for besides stands in `Launch.shared`."""
    instructions: tuple[Instruction, ...] = field(hash=False)
    """Empty for AMD."""
    loops: tuple[tuple[int, int], ...] = field(hash=False)
    """(first, last) instruction of every loop, outermost first."""


def digest(assembly: str) -> str:
    """The name of an assembly text, by which a Binary is remembered."""
    return hashlib.sha256(assembly.encode()).hexdigest()


@functools.lru_cache(maxsize=512)
def assemble(assembly: str, target: GPUTarget) -> Binary:
    """The binary of a PTX or amdgcn text. Starts processes and writes to the temporary folder; remembers.

    AssemblyRefused where ptxas refuses.
    """
    if target.backend == "hip":
        return _read_amdgcn(assembly)
    backend = make_backend(target)
    try:
        cubin: bytes = backend.make_cubin(assembly, {}, backend.parse_options({}), target.arch)
    except PTXASError as error:
        raise AssemblyRefused(str(error)) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        usage = _output(knobs.nvidia.cuobjdump.path, "--dump-resource-usage", path)
        listing = _output(knobs.nvidia.nvdisasm.path, "-c", "-gi", path)
    return read_binary(assembly, cubin, usage, listing)


def read_binary(assembly: str, cubin: bytes, usage: str, listing: str) -> Binary:
    """The binary of a text, from what `cuobjdump --dump-resource-usage` and `nvdisasm -c -gi` print of it."""
    resources = {name: int(value) for name, value in _RESOURCE.findall(usage)}
    instructions, loops = read_listing(listing)
    return Binary(
        digest=digest(assembly),
        cubin=cubin,
        registers=resources["REG"],
        spill_bytes=resources.get("LOCAL", 0) + resources.get("STACK", 0),
        shared_bytes=resources.get("SHARED", 0),
        instructions=instructions,
        loops=loops,
    )


def _output(*command: str | Path) -> str:
    done = subprocess.run([str(each) for each in command], check=True, capture_output=True, text=True)
    return done.stdout


def read_listing(listing: str) -> tuple[tuple[Instruction, ...], tuple[tuple[int, int], ...]]:
    """Instructions and loops in the listing of `nvdisasm -c -gi`; a loop ends with a backward branch."""
    texts: list[str] = []
    sources: list[Source | None] = []
    labels: dict[str, int] = {}
    source: Source | None = None
    for line in listing.splitlines():
        if found := _FILE.match(line):  # of a chain of inlined lines the last one is the kernel's
            source = (found.group(1).rpartition("/")[2], int(found.group(2)))
        elif found := _LABEL.match(line):
            labels[found.group(1)] = len(texts)
        elif found := _INSTRUCTION.match(line):
            texts.append(found.group(1))
            sources.append(source)
    loops = sorted(_loops(texts, labels), key=lambda loop: (loop[0], -loop[1]))
    within = [
        tuple(k for k, (first, last) in enumerate(loops) if first <= i <= last) for i in range(len(texts))
    ]
    return tuple(map(Instruction, texts, sources, within)), tuple(loops)


def _loops(texts: Sequence[str], labels: Mapping[str, int]) -> set[tuple[int, int]]:
    found: dict[int, int] = {}
    for i, text in enumerate(texts):
        branch = _BRANCH.search(text)
        if branch and labels.get(branch.group(1), i) < i:
            head = labels[branch.group(1)]
            found[head] = max(found.get(head, 0), i)
    return set(found.items())


def _read_amdgcn(assembly: str) -> Binary:
    def number(name: str) -> int:
        found = re.search(rf"^\s*\.{name}:\s*(\d+)", assembly, re.MULTILINE)
        if found is None:
            raise AssemblyRefused(f"expected .{name} in amdgcn assembly, found none: is it a whole file?")
        return int(found.group(1))

    return Binary(
        digest=digest(assembly),
        cubin=b"",
        registers=number("vgpr_count"),
        spill_bytes=number("private_segment_fixed_size"),
        shared_bytes=number("group_segment_fixed_size"),
        instructions=(),
        loops=(),
    )
