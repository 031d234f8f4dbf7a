"""One call of a program, watched: what came back, what PyTorch computed meanwhile, what the launches did."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.utils.deterministic
from torch import Tensor


@dataclass(frozen=True)
class ObservedCall:
    """What one call of a program did. `error` is None where it returned."""

    result: Any
    error: BaseException | None = None
    operations: tuple[str, ...] = ()
    """PyTorch operators that computed, as `aten.mul.Tensor`: neither views nor allocations."""
    launches: int = 0
    out_of_bounds: str | None = None
    races: tuple[str, ...] = ()
    overflow: str | None = None
    """Where a 32-bit integer wrapped around."""
    unwritten: tuple[tuple[int, int], ...] = ()
    """By address of the memory under a result, how many of its elements no launch wrote; of those known."""
    float_atomics: bool = False


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
