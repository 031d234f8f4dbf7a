"""Records, compiles and interprets the launches of unmodified Triton host code on a machine without a GPU.

with offline() as recorder:
    out = module.forward(x)  # CPU tensors
recorder.launches[0].binary.registers
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase
from triton.compiler.compiler import ASTSource
from triton.runtime import driver
from triton.runtime.autotuner import Autotuner
from triton.runtime.jit import JITFunction

from ..interpreter.patches import Patches
from .compiling import SM_90, compile_source, uncompiled
from .launch_record import Launch
from .load_source import load_program
from .recorder import Recorder, Settings

Rank = Callable[[Sequence[Launch]], float]
"""Seconds, or anything else of which less is better, of the launches that one configuration made."""
PROPERTIES = {
    "cuda": {"multiprocessor_count": 132, "max_num_regs": 65_536, "warpSize": 32},
    "hip": {"multiprocessor_count": 304, "max_num_regs": 65_536, "warpSize": 64},
}
"""What host code may ask of a device, by backend: H100 SXM and MI300X."""


@contextlib.contextmanager
def offline(
    target: GPUTarget = SM_90,
    *,
    execute: str = "all",
    programs: int = 4,
    seed: int = 0,
    assemble: bool = True,
    compiles: bool = True,
    rank: Rank | None = None,
) -> Iterator[Recorder]:
    """Within it every launch on CPU tensors is compiled for `target`, recorded, and interpreted with checks.

    `execute`: "all" interprets every program, in an order that `seed` shuffles, so that results are there
    afterwards; "sample" `programs` of them, one from each of as many equal parts of the grid, for accounts at
    real sizes; "none" only compiles and records. `assemble=False` stops at PTX: no process is started,
    nothing written, and `binary` is None. `compiles=False` stops before it: launches are interpreted alone,
    which is what many small sizes need, and have no text. `rank` decides what `@triton.autotune` chooses;
    without it the first configuration that fits is taken.

    Raises what a launch would raise on a GPU, and OutOfBounds. Afterwards Triton is exactly as it was.
    """
    recorder = Recorder(Settings(target, execute, programs, seed, assemble and compiles, compiles))
    session = _Session(recorder, rank)
    patches = Patches()
    try:
        patches.set(driver, "_active", _Driver(session))
        patches.set(
            JITFunction,
            "_do_compile",
            lambda kernel, key, signature, device, constants, options, attributes, warmup: session.compile(
                kernel, key, signature, constants, options, attributes
            ),
        )
        run = Autotuner.run
        patches.set(Autotuner, "run", lambda tuner, *a, **k: session.tune(tuner, run, *a, **k))
        with recorder.mode:
            yield recorder
    finally:
        patches.restore()
        session.close()


class _Session:
    """Joins Triton's calls to a recorder, and forgets afterwards what it left in kernels and autotuners."""

    def __init__(self, recorder: Recorder, rank: Rank | None) -> None:
        self.recorder = recorder
        self.rank = rank
        self.target = recorder.settings.target
        self.device = f"offline {id(self)}"
        self.kernels: list[JITFunction] = []
        self.tuners: dict[int, tuple[Autotuner, dict[str, Any]]] = {}

    def compile(
        self,
        kernel: JITFunction,
        key: str,
        signature: Mapping[str, Any],
        constants: Mapping[tuple[int, ...], Any],
        options: Any,
        attributes: Any,
    ) -> SimpleNamespace:
        """In place of `JITFunction._do_compile`: what `JITFunction.run` takes for a compiled kernel."""
        self.kernels.append(kernel)
        source = ASTSource(kernel, signature, constants, attributes)
        make = compile_source if self.recorder.settings.compiles else uncompiled
        compiled = make(source, self.target, vars(options))

        def run(x: int, y: int, z: int, *rest: Any) -> None:
            """One launch; the arguments follow stream, function, metadata and hooks."""
            grid = int(x), int(y), int(z)
            self.recorder.launch(kernel, compiled, signature, constants, grid, rest[6:])

        made = SimpleNamespace(
            metadata=SimpleNamespace(**compiled.metadata),
            function=None,
            packed_metadata=None,
            launch_metadata=lambda *_: None,
            run=run,
        )
        kernel.device_caches[self.device][0][key] = made
        return made

    def tune(self, tuner: Autotuner, run: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """In place of `Autotuner.run`: configurations are ranked by `rank`, never by a clock."""
        if id(tuner) not in self.tuners:
            self.tuners[id(tuner)] = tuner, {**vars(tuner), "cache": dict(tuner.cache)}
            vars(tuner).pop("do_bench", None)
            tuner._do_bench, tuner.cache_results = self.bench, False
        return run(tuner, *arguments, **named)

    def bench(self, call: Callable[[], Any], quantiles: Sequence[float] | None = None, **_: Any) -> Any:
        """What `rank` says of the launches of a call, which then are forgotten."""
        before = len(self.recorder.launches)
        call()
        value = self.rank(self.recorder.launches[before:]) if self.rank else 0.0
        del self.recorder.launches[before:]
        return [value] * len(quantiles) if quantiles else value

    def close(self) -> None:
        """Kernels and autotuners are as they were."""
        for kernel in self.kernels:
            kernel.device_caches.pop(self.device, None)
        for tuner, before in self.tuners.values():
            vars(tuner).clear()
            vars(tuner).update(before)


class _Driver(DriverBase):  # type: ignore[misc]
    """What Triton takes for the driver of the target."""

    def __init__(self, session: _Session) -> None:
        settings = session.recorder.settings
        self._session = session
        properties = {"max_shared_mem": settings.shared_limit, **PROPERTIES[settings.target.backend]}
        self.utils = SimpleNamespace(get_device_properties=lambda _: properties)

    @classmethod
    def is_active(cls) -> bool:
        return True

    def map_python_to_cpp_type(self, ty: str) -> str:
        return ty

    def get_current_target(self) -> GPUTarget:
        return self._session.target

    def get_current_device(self) -> str:
        return self._session.device

    def set_current_device(self, device: object) -> None:
        """There is one."""

    def get_current_stream(self, device: object = None) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_benchmarker(self) -> Callable[..., Any]:
        return self._session.bench


_TINY = """
import triton
import triton.language as tl


@triton.jit
def tiny(x_ptr, out_ptr, N, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < N, other=0.0)
    rows = tl.arange(0, 16)
    total = tl.sum(tl.dot(x[None, :] + rows[:, None], tl.trans(x[None, :] + rows[:, None])), axis=1)
    tl.store(out_ptr + rows, tl.exp(total * 0.0))
"""


def warm() -> None:
    """Loads and remembers what every first launch in a process would: call it before forking.

    Afterwards `offline(assemble=False)` starts no process and writes no file.
    """
    module = load_program(_TINY, "<warm>")
    x = torch.ones(16)
    with offline(assemble=False):
        module.tiny[(1,)](x, torch.empty(16), 16, BLOCK=16)
