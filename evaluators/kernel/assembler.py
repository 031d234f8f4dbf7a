"""Assembles what candidates compiled to: ptxas and its kin read hostile text, so they work in a sandbox.

Each text is assembled once and remembered: a program whose constants changed, and its kernels did not, costs
nothing here.
"""

import functools
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import triton
from triton import knobs
from triton.backends.compiler import GPUTarget

from ...kernels.record.binary import Binary, assemble, read_binary
from ...population.values.verdict import Status
from ..kinds.failure import Failed
from ..sandbox.command import UNSHARED, bubblewrap_binaries, shown_system

SECONDS = 15
"""CPU time of all tools together; a large kernel needs two."""
PATIENCE = 150.0
"""Seconds of a clock after which the tools are ended, on a machine that gives them no CPU time."""
MEGABYTES = 8192
FILE_BLOCKS = 1 << 17
"""Of 512 bytes, the largest file that a tool may write."""
REMEMBERED = 1024
SCRIPT = """
ulimit -t {seconds} -v {kilobytes} -f {blocks} -c 0
{ptxas} {flags} --gpu-name={arch} kernel.ptx -o kernel.cubin || exit 3
{cuobjdump} --dump-resource-usage kernel.cubin > usage && {nvdisasm} -c -gi kernel.cubin > listing
"""


@functools.lru_cache(maxsize=REMEMBERED)
def assembled(text: str, target: GPUTarget) -> Binary:
    """The binary of a candidate's PTX or amdgcn text. Failed where a tool refuses it, or takes long.

    INFRASTRUCTURE where the machine gives the tools too little time: that says nothing about the kernel.
    """
    if target.backend != "cuda":
        return assemble(text, target)
    with tempfile.TemporaryDirectory(prefix="assemble-") as folder:
        place = Path(folder)
        (place / "kernel.ptx").write_text(text, encoding="utf-8", errors="replace")
        try:
            done = _run(place, _script(target))
        except subprocess.TimeoutExpired:
            reason = f"assembling did not end in {PATIENCE:g} s, though {SECONDS} s of CPU time are its limit"
            raise Failed(Status.INFRASTRUCTURE, f"{reason}: the machine is too busy") from None
        if done.returncode == 3:
            words = done.stderr.strip().splitlines()
            raise Failed(Status.INVALID, f"ptxas refuses the kernel: {' '.join(words)[:400]}")
        if done.returncode:
            raise Failed(
                Status.TIMED_OUT,
                f"assembling the kernel takes more than {SECONDS} s of CPU time; unroll less",
            )
        usage, listing = (
            (place / name).read_text(encoding="utf-8", errors="replace") for name in ("usage", "listing")
        )
        return read_binary(text, (place / "kernel.cubin").read_bytes(), usage, listing)


def _script(target: GPUTarget) -> str:
    tools = {name: shlex.quote(path) for name, path in _tools().items()}
    flags = "-lineinfo"  # these are Triton's own; from 3.7 on it works around an error of ptxas 13
    if tuple(map(int, triton.__version__.split(".")[:2])) >= (3, 7):
        flags += " --regAllocOptLevel=2"
    arch = f"sm_{target.arch}{'a' if int(target.arch) >= 90 else ''}"
    return SCRIPT.format(
        seconds=SECONDS, kilobytes=MEGABYTES << 10, blocks=FILE_BLOCKS, flags=flags, arch=arch, **tools
    )


def _tools() -> dict[str, str]:
    """Paths of what Triton brings along, by name."""
    return {name: getattr(knobs.nvidia, name).path for name in ("ptxas", "cuobjdump", "nvdisasm")}


def _run(place: Path, script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*sandboxed(place), "/bin/sh", "-c", script],
        cwd=place,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
        check=False,
    )


def sandboxed(place: Path) -> list[str]:
    """The command that shuts a tool in with this folder; empty where no bubblewrap works here."""
    binary, users = _bubblewrap()
    if not binary:
        return []
    command = [binary, *UNSHARED, *users, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += shown_system()
    for folder in sorted({str(Path(tool).parent) for tool in _tools().values()}):
        command += ["--ro-bind", folder, folder]
    return [*command, "--bind", str(place), str(place), "--chdir", str(place), "--"]


@functools.cache
def _bubblewrap() -> tuple[str, tuple[str, ...]]:
    """(The bubblewrap that works here, how it treats users); ("", ()) for none."""
    for binary in bubblewrap_binaries():
        for users in (("--unshare-user",), ()) if os.getuid() else ((), ("--unshare-user",)):
            probe = [binary, "--ro-bind", "/", "/", "--unshare-pid", "--unshare-net", *users, "/bin/true"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return binary, users
    return "", ()
