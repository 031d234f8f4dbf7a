"""A GPU made of Python: launches of the dot program's kernels, on the memory that parameters point to."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recevolve.kernels.gpu_queue.queue import Entry
from recevolve.kernels.gpu_queue.record_entry import record
from recevolve.kernels.operators import OPERATORS
from recevolve.kernels.timing.clock import Sensors
from recevolve.kernels.timing.comparison import Gpu
from recevolve.kernels.timing.cuda import LaunchRefused
from recevolve.kernels.timing.cuda_graphs import Build

from .programs import DOT, program

SIZES = {"B": 4, "F": 3, "D": 5}
Array = NDArray[np.float32]


def dot_entry() -> Entry:
    """The dot program at SIZES in float32, forward and backward, without binaries."""
    operator = OPERATORS["pairwise_dot"]
    inputs = operator.draw(SIZES, torch.float32, torch.Generator().manual_seed(0))
    return record(operator, vars(program(DOT)), SIZES, inputs, name="dot.small", program_id="0123")


def at(parameter: "ctypes._SimpleCData[Any]", *shape: int) -> Array:
    """The float32 array that a parameter is the address of."""
    memory = (ctypes.c_float * int(np.prod(shape))).from_address(parameter.value)
    return np.ctypeslib.as_array(memory).reshape(shape)


def dots(x: Array) -> Array:
    i, j = np.triu_indices(SIZES["F"], 1)
    return np.einsum("bpd,bpd->bp", x[:, i], x[:, j])


@dataclass
class Emulated:
    """Launches on the CPU. `spoil` changes what the n-th launch writes."""

    spoil: Callable[[Array, int], Array] = lambda values, launch: values
    refuse: str = ""
    launched: int = 0
    codes: list[bytes] = field(default_factory=list)

    def load(self, code: bytes, kernel: str, shared: int) -> str:
        if self.refuse:
            raise LaunchRefused(self.refuse)
        self.codes.append(code)
        return kernel

    def launch(
        self,
        handle: str,
        grid: tuple[int, int, int],
        threads: int,
        shared: int,
        parameters: Sequence["ctypes._SimpleCData[Any]"],
    ) -> None:
        assert grid == (4, 1, 1)
        assert threads == 64
        assert [each.value for each in parameters[-2:]] == [0, 0]  # scratch, which these kernels have none of
        B, F, D = SIZES.values()
        P = F * (F - 1) // 2
        x = at(parameters[0], B, F, D)
        if handle == "dot_forward":
            at(parameters[1], B, P)[:] = self.spoil(dots(x), self.launched)
        else:
            grads = np.zeros((B, F, F), np.float32)
            i, j = np.triu_indices(F, 1)
            grads[:, i, j] = grads[:, j, i] = at(parameters[1], B, P)
            at(parameters[2], B, F, D)[:] = self.spoil(grads @ x, self.launched)
        self.launched += 1


@dataclass
class FakeClock:
    """Runs what it is given once, and says that everything takes 10 us, eager 20 us, nothing 1 us."""

    builds: Mapping[str, Sequence[Build]]
    cold: bool
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.calls: dict[str, list[Callable[[], object]]] = {}
        for name, several in self.builds.items():
            if name.startswith("compile"):
                self.failed[name] = "RuntimeError: no compiler here"
            else:
                self.calls[name] = [build() for build in several]
        self.calls["empty"] = [lambda: None]

    def contenders(self) -> list[str]:
        return list(self.calls)

    def replay(self, contender: str) -> None:
        for call in self.calls[contender]:
            call()

    def seconds(self, contender: str) -> list[float]:
        self.replay(contender)
        return [{"eager": 2e-5, "empty": 1e-6}.get(contender, 1e-5)] * len(self.calls[contender])

    def sensors(self) -> Sensors:
        return Sensors(1700.0, 400.0)


def gpu(launcher: Emulated, target: str = "sm_90") -> Gpu:
    return Gpu("NVIDIA H100 80GB HBM3", target, torch.device("cpu"), launcher, 3e12, FakeClock)
