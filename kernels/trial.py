"""One call of a program, watched: what came back, what PyTorch computed meanwhile, what the launches did."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
import torch.utils.deterministic
import triton
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_ALLOCATIONS = frozenset(
    (
        "empty",
        "empty_like",
        "empty_strided",
        "new_empty",
        "new_empty_strided",
        "zeros",
        "zeros_like",
        "new_zeros",
    )
)
_TRITON = str(Path(triton.__file__).parent)
_TORCH = str(Path(torch.__file__).parent)
_HOUSE = Path(__file__).parent


@dataclass(frozen=True)
class Seen:
    """What one call of a program did. `error` is None where it returned."""

    result: Any
    error: BaseException | None = None
    operations: tuple[str, ...] = ()
    """PyTorch operators that computed, as `aten.mul.Tensor`: neither views nor allocations."""
    launches: int = 0
    out_of_bounds: str | None = None
    races: tuple[str, ...] = ()
    unwritten: tuple[tuple[int, int], ...] = ()
    """Address of a storage that launches wrote to, and how many of its elements none of them wrote."""
    float_atomics: bool = False


class Ground(Protocol):
    """Where programs are tried: under the interpreter, or on a GPU."""

    device: torch.device
    interprets: bool
    """Whether bounds, races and launches can be watched, and launches skipped."""

    def call(self, function: Callable[[], Any], seed: int, execute: bool = True) -> Seen:
        """What `function` did. `seed` orders the programs of a launch; without `execute` no launch runs."""
        ...


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lists the operators that compute while it is active, apart from those of the interpreter itself."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.computing: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not _computes_nothing(func) and not _asked_by_the_interpreter():
            self.computing.append(str(func))
        return func(*args, **(kwargs or {}))


def _computes_nothing(func: Any) -> bool:
    if func.overloadpacket.__name__ in _ALLOCATIONS:
        return True
    returns = func._schema.returns
    return bool(returns) and all(
        each.alias_info is not None and not each.alias_info.is_write for each in returns
    )


def _asked_by_the_interpreter() -> bool:
    """Whether the nearest caller outside of torch is Triton or a file of this folder."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_TORCH):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return False
    name = frame.f_code.co_filename
    return name.startswith(_TRITON) or Path(name).parent == _HOUSE


@contextlib.contextmanager
def poisoned() -> Iterator[None]:
    """Fills what `torch.empty` returns with NaN, or the largest integer, until it is left."""
    deterministic = cast(Any, torch.utils.deterministic)  # its one setting is a property that has no type
    strict, warn = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    fill = deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warn)
        deterministic.fill_uninitialized_memory = fill


def storage(tensor: Tensor) -> int:
    """The address of the memory under a tensor; 0 for none."""
    return tensor.untyped_storage().data_ptr()
