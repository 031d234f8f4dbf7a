"""Keeps what a host function does: storages, torch operations, launches."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import triton.language as tl
from numpy.typing import NDArray
from triton.backends.compiler import GPUTarget
from triton.runtime.errors import OutOfResources
from triton.runtime.jit import JITCallable, JITFunction, TensorWrapper
from triton.tools.tensor_descriptor import TensorDescriptor

from ..interpreter.execute import execute
from ..interpreter.launch_account import Account
from ..interpreter.operations import Operations
from .binary import assemble
from .compiling import Compiled
from .launch_record import Argument, Buffer, Constant, Descriptor, Launch, Operation, Scalar, Storage

SHARED_LIMITS = {"cuda": 232_448, "hip": 65_536}
"""Bytes of shared memory that one program may have, by backend: H100 (CUDA programming guide, technical
specifications by compute capability, 9.0: 227 KB) and MI300 (64 KB of LDS)."""
THREADS_LIMIT = 1024
GRID_LIMITS = (2**31 - 1, 65_535, 65_535)
EXECUTE = ("all", "sample", "none")


@dataclass(frozen=True)
class Settings:
    """How launches are treated; see `offline`."""

    target: GPUTarget
    execute: str
    programs: int
    seed: int
    assemble: bool
    compiles: bool = True

    def __post_init__(self) -> None:
        if self.execute not in EXECUTE:
            raise ValueError(f"execute must be one of {', '.join(EXECUTE)}, got {self.execute!r}")
        if self.programs < 1:
            raise ValueError(f"programs must be at least 1, got {self.programs}")

    @property
    def shared_limit(self) -> int:
        """Bytes."""
        return SHARED_LIMITS[self.target.backend]

    def chosen(self, count: int, launch: int) -> list[int]:
        """The programs to interpret, in their order, of a grid of so many: all, or a few spread out."""
        if self.execute == "none":
            return []
        rng = random.Random(f"{self.seed} {launch}")
        if self.execute == "all" or count <= self.programs:
            order = list(range(count))
        else:  # one from each of equal parts, so that no period of the grid is met twice
            edges = [count * k // self.programs for k in range(self.programs + 1)]
            order = [rng.randrange(low, high) for low, high in pairwise(edges)]
        rng.shuffle(order)
        return order


class Recorder:
    """What happened inside `offline`. It keeps every storage alive, so that none takes another's place."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.launches: list[Launch] = []
        self.operations: list[Operation] = []
        self.storages: list[Storage] = []
        self.mode = Operations(self._seen)
        self._ids: dict[int, int] = {}
        self._alive: list[torch.UntypedStorage] = []
        self._written: dict[int, NDArray[np.bool_]] = {}

    # storages

    def storage(self, tensor: torch.Tensor, origin: str = "given") -> int:
        """The number of a tensor's storage; a new one where it was not met before."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._ids:
            self._ids[key] = len(self.storages)
            self._alive.append(storage)
            self.storages.append(Storage(len(self.storages), storage.nbytes(), origin))
        return self._ids[key]

    def buffer(self, tensor: torch.Tensor) -> Buffer:
        """The record of a tensor."""
        return Buffer(
            storage=self.storage(tensor),
            offset=int(tensor.storage_offset()) * tensor.element_size(),
            shape=tuple(tensor.shape),
            strides=tuple(tensor.stride()),
            dtype=str(tensor.dtype).removeprefix("torch."),
        )

    def unwritten(self, tensor: torch.Tensor) -> int:
        """How many elements of a tensor no launch has written, with `execute="all"`."""
        return int((~self.written(tensor)).sum())

    def written(self, tensor: torch.Tensor) -> NDArray[np.bool_]:
        """By element of a tensor, whether an interpreted program has written it."""
        flags = self._written.get(self.storage(tensor))
        if flags is None or not tensor.numel():
            return np.zeros(tuple(tensor.shape), np.bool_)
        size = tensor.element_size()
        view = np.lib.stride_tricks.as_strided(
            flags[tensor.storage_offset() * size :],
            (*tensor.shape, size),
            (*(each * size for each in tensor.stride()), 1),
        )
        return np.asarray(view.all(axis=-1))

    def _seen(
        self,
        name: str,
        kind: str,
        inputs: Sequence[torch.Tensor],
        outputs: Sequence[torch.Tensor],
        value: float | None,
    ) -> None:
        before = tuple(self.storage(each) for each in inputs)
        after = tuple(self.storage(each, name) for each in outputs)
        self.operations.append(Operation(name, kind, before, after, value, len(self.launches)))

    # launches

    def launch(
        self,
        kernel: JITFunction,
        compiled: Compiled,
        signature: Mapping[str, Any],
        constants: Mapping[tuple[int, ...], Any],
        grid: tuple[int, int, int],
        values: Sequence[Any],
    ) -> None:
        """Records one launch, interprets it as the settings say, and appends it to `launches`.

        OutOfResources as on a GPU; ValueError for a grid that no GPU takes, or a tensor not on the CPU.
        """
        named = dict(zip(kernel.arg_names, values, strict=True))
        self.admit(compiled, grid)
        self.mode.quiet = True
        try:
            tensors = dict(tensors_of(named))
            for name, tensor in tensors.items():
                if tensor.device.type != "cpu":
                    raise ValueError(
                        f"{kernel.__name__}: {name} is on {tensor.device}; offline takes CPU tensors"
                    )
            account = self._interpret(kernel, compiled, signature, grid, named, tensors)
            arguments = dict(self._arguments(named, signature))
            described = any(isinstance(each, Descriptor) for each in arguments.values())
            hidden = 2 if described else compiled.parameters - len(arguments)
            binary = assemble(compiled.assembly, self.settings.target) if self.settings.assemble else None
        finally:
            self.mode.quiet = False
        metadata = compiled.metadata
        self.launches.append(
            Launch(
                kernel=kernel.__name__,
                symbol=compiled.symbol,
                target=f"{self.settings.target.backend}:{self.settings.target.arch}",
                grid=grid,
                warps=metadata["num_warps"],
                stages=metadata["num_stages"],
                ctas=metadata.get("num_ctas", 1),
                shared=metadata["shared"],
                scratch_bytes=metadata.get("global_scratch_size") or 0,
                hidden=hidden if compiled.parameters >= 0 else -1,
                signature={name: str(kind) for name, kind in signature.items()},
                constants={_path(kernel, at): constant(value) for at, value in constants.items()},
                arguments=arguments,
                ptx=compiled.assembly,
                binary=binary,
                account=account,
            )
        )

    def admit(self, compiled: Compiled, grid: tuple[int, int, int]) -> None:
        """Raises what the driver of a GPU would raise at a launch."""
        shared = compiled.metadata["shared"]
        if shared > self.settings.shared_limit:
            raise OutOfResources(shared, self.settings.shared_limit, "shared memory")
        threads = compiled.metadata["num_warps"] * self.settings.target.warp_size
        if threads > THREADS_LIMIT:
            raise OutOfResources(threads, THREADS_LIMIT, "threads")
        if any(not 0 <= size <= limit for size, limit in zip(grid, GRID_LIMITS, strict=True)):
            raise ValueError(f"a grid has at most {GRID_LIMITS} programs, got {grid}")

    def _interpret(
        self,
        kernel: JITFunction,
        compiled: Compiled,
        signature: Mapping[str, Any],
        grid: tuple[int, int, int],
        named: Mapping[str, Any],
        tensors: Mapping[str, torch.Tensor],
    ) -> Account | None:
        if self.settings.execute == "none":
            return None
        chosen = self.settings.chosen(grid[0] * grid[1] * grid[2], len(self.launches))
        account, observer = execute(kernel, named, signature, compiled.options, grid, chosen, tensors)
        for region in observer.regions:
            if region.owners is not None and (written := region.owners.written).any():
                for tensor in region.tensors.values():
                    flags = np.repeat(written, region.size)
                    self._mark(tensor, region.start, flags)
        return account

    def _mark(self, tensor: torch.Tensor, start: int, flags: NDArray[np.bool_]) -> None:
        storage = tensor.untyped_storage()
        known = self._written.setdefault(self.storage(tensor), np.zeros(storage.nbytes(), np.bool_))
        offset = start - storage.data_ptr()
        known[max(offset, 0) : offset + flags.size] |= flags[max(-offset, 0) : max(-offset, 0) + known.size]

    def _arguments(
        self, named: Mapping[str, Any], signature: Mapping[str, Any]
    ) -> Iterable[tuple[str, Argument]]:
        for name, value in named.items():
            yield from self._flat(name, value, signature.get(name, "constexpr"))

    def _flat(self, name: str, value: Any, kind: Any) -> Iterable[tuple[str, Argument]]:
        if isinstance(kind, tuple):
            for i, (part, its) in enumerate(zip(value, kind, strict=True)):
                yield from self._flat(f"{name}.{i}", part, its)
        elif kind == "constexpr":
            return
        elif isinstance(value, TensorDescriptor):
            shape, strides, block = (
                tuple(map(int, each)) for each in (value.shape, value.strides, value.block_shape)
            )
            yield name, Descriptor(self.buffer(value.base), shape, strides, block, value.padding)
        elif isinstance(value, TensorWrapper):
            yield name, self.buffer(value.base)
        elif isinstance(value, torch.Tensor):
            yield name, self.buffer(value)
        else:
            yield name, Scalar(kind, value)


def tensors_of(named: Mapping[str, Any]) -> Iterable[tuple[str, torch.Tensor]]:
    """(name, tensor) of every argument whose memory a kernel may touch; parts of a tuple as "name.0"."""
    for name, value in named.items():
        if isinstance(value, (TensorDescriptor, TensorWrapper)):
            yield name, value.base
        elif isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, (tuple, list)):
            yield from tensors_of({f"{name}.{i}": part for i, part in enumerate(value)})


def _path(kernel: JITFunction, at: tuple[int, ...]) -> str:
    return ".".join([kernel.arg_names[at[0]], *map(str, at[1:])])


def constant(value: Any) -> Constant:
    """A compile-time constant as plain data; types and functions by their names."""
    value = value.value if isinstance(value, tl.constexpr) else value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value.__name__ if isinstance(value, JITCallable) else value)
