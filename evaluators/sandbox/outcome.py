"""Outcome: what became of one candidate. And the two errors that are not the candidate's fault."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

Status = Literal["finished", "raised", "timed_out", "killed", "malformed", "stalled"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one candidate, never a score.

    `status` is
    - "finished": the runner returned; `arrays` and `text` are what came back. They are the candidate's word:
      check shapes, finiteness and everything else before believing them.
    - "raised": an exception; `text` has its type, message and the candidate's line.
    - "timed_out": over its CPU time, or over the wall clock while using the processor.
    - "killed": by a signal: a segmentation fault, or the kernel's out-of-memory killer.
    - "malformed": ended by itself and left no readable result.
    - "stalled": over the wall clock with hardly any CPU time used, twice; or the machinery broke. It says
      nothing about the program.

    `output` is the tail of what it printed. `text` and `output` hold no control characters. `cpu_seconds` and
    `peak_mb` (resident, above what the zygote holds) come from the kernel, not from the candidate.
    """

    status: Status
    arrays: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))
    text: str = ""
    output: str = ""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_mb: int = 0
    tier: int = 0


class SandboxUnavailable(RuntimeError):
    """No candidate can be run here: this machine lacks the layers asked for, or the zygote keeps dying.

    The message names what was tried, why it failed and what to do about it.
    """


class SessionEnded(RuntimeError):
    """The candidate of a session is gone; `outcome` says how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"the session's program {outcome.status}: {outcome.text}")
        self.outcome = outcome
