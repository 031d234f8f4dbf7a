"""Where programs are tried: under the checked interpreter, or on a GPU."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..interpreter.launch_account import RACES, Issue
from ..interpreter.memory import OutOfBounds
from ..interpreter.operations import Operations
from ..record.launches import offline
from ..record.recorder import Recorder
from .observed_call import ObservedCall, poisoned, storage

_CPU, _CUDA = torch.device("cpu"), torch.device("cuda")
_WORK = ("compute", "copy")
"""Kinds of torch operations that a program's launches are there for."""


@dataclass(frozen=True)
class Interpreted:
    """On the CPU: launches are compiled as far as PTX, and interpreted with every check."""

    device: torch.device = _CPU
    compiles: bool = True
    """Whether launches are compiled too, which takes most of the time, or interpreted alone."""

    def call(self, function: Callable[[], Any], seed: int, execute: bool = True) -> ObservedCall:
        """What `function` did. `seed` orders the programs of a launch; without `execute` no launch runs."""
        recording = offline(
            execute="all" if execute else "none",
            seed=seed,
            assemble=False,
            compiles=self.compiles,
        )
        with poisoned(), np.errstate(all="ignore"), recording as recorder:
            result, error = _guarded(function)
        issues = [issue for each in recorder.launches if each.account for issue in each.account.issues]
        overflow = next((issue for issue in issues if issue.kind == "overflow"), None)
        return ObservedCall(
            result=result,
            error=error,
            operations=tuple(each.name for each in recorder.operations if each.kind in _WORK),
            launches=len(recorder.launches),
            out_of_bounds=str(error) if isinstance(error, OutOfBounds) else None,
            races=tuple(_sentence(issue) for issue in issues if issue.kind in (*RACES, "lock")),
            overflow=_sentence(overflow) if overflow else None,
            unwritten=tuple(_unwritten(recorder, result)) if execute else (),
            float_atomics=any(issue.kind == "float-atomics" for issue in issues),
        )


@dataclass(frozen=True)
class Native:
    """On a GPU: launches run. Bounds, races and what was written cannot be seen, only their results."""

    device: torch.device = _CUDA

    def call(self, function: Callable[[], Any], seed: int, execute: bool = True) -> ObservedCall:
        """`seed` and `execute` change nothing: the device orders programs as it likes, and launches run."""
        done: list[str] = []
        watch: AbstractContextManager[Any] = Operations(
            lambda name, kind, *_: done.append(name) if kind in _WORK else None
        )
        with poisoned(), watch:
            result, error = _guarded(function)
            _, late = _guarded(lambda: torch.cuda.synchronize(self.device))
        return ObservedCall(result, error or late, tuple(done), launches=1, float_atomics=True)


Backend = Interpreted | Native


def _guarded(function: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return function(), None
    except Exception as error:  # noqa: BLE001 - it is someone's program: whatever it raises is what is found
        return None, error


def _sentence(issue: Issue) -> str:
    where = f" in {issue.argument}" if issue.argument else ""
    return f"{issue.kind}{where}, first seen in program {issue.program}: {issue.detail}"


def _unwritten(recorder: Recorder, result: Any) -> Iterable[tuple[int, int]]:
    several = result if isinstance(result, (tuple, list)) else (result,)
    for tensor in several:
        if isinstance(tensor, Tensor) and tensor.numel():
            yield storage(tensor), recorder.unwritten(tensor)
