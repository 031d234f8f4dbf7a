"""Interprets the programs of one launch and keeps its account."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FrameType
from typing import Any

import torch
from triton.runtime.jit import JITFunction

from .builder import BUILDER
from .interpreter import arguments_of, interpreting, options_of
from .launch_account import Account
from .memory import Observer, OutOfBounds

TRACED = 2
"""So many programs of a launch have their lines counted, which slows them down."""
TRACKED_ELEMENTS = 1 << 27
"""Larger regions are checked for bounds alone: who touched what takes 12 bytes of memory an element."""
TRACKED_IN_A_SAMPLE = 1 << 22
"""A few programs of many meet too seldom to be worth more."""
Tracer = Callable[[FrameType, str, Any], Any]


def execute(
    kernel: JITFunction,
    values: Mapping[str, Any],
    signature: Mapping[str, Any],
    options: Any,
    grid: tuple[int, int, int],
    programs: Sequence[int],
    tensors: Mapping[str, torch.Tensor],
) -> tuple[Account, Observer]:
    """Runs these programs, by linear number, in this order; what they store is really stored.

    `values` are all arguments by name; `tensors` those whose memory may be touched.
    OutOfBounds before an access that leaves them; whatever else the kernel raises comes out as it is.
    """
    count = grid[0] * grid[1] * grid[2]
    tracked = TRACKED_ELEMENTS if len(programs) == count else TRACKED_IN_A_SAMPLE
    observer = Observer(tensors, kernel.fn.__code__.co_filename, tracked)
    counts: Counter[tuple[str, int]] = Counter()
    traced = min(TRACED, len(programs))
    before, idle, stock_options = sys.gettrace(), BUILDER.watch, BUILDER.options
    try:
        with interpreting() as program:
            BUILDER.watch, BUILDER.options = observer, options_of(options)
            BUILDER.set_grid_dim(*grid)
            function = program.function(kernel)
            arguments = arguments_of(kernel, values, signature)
            trace = _counting(kernel.fn.__code__, counts)
            for i, number in enumerate(programs):
                observer.program = number
                BUILDER.set_grid_idx(
                    number % grid[0], number // grid[0] % grid[1], number // (grid[0] * grid[1])
                )
                sys.settrace(trace if i < traced else before)
                function(**arguments)
    except OutOfBounds as error:
        raise OutOfBounds(f"{kernel.__name__}, line {observer.line_of(error)}: {error}") from None
    finally:
        sys.settrace(before)
        BUILDER.watch, BUILDER.options = idle, stock_options
    account = Account(
        programs=len(programs),
        traffic={each.name: each.traffic() for each in observer.regions},
        lines=tuple((file, line, count / traced) for (file, line), count in sorted(counts.items())),
        tensor_flops=dict(observer.tensor_flops),
        issues=tuple(observer.issues.values()),
    )
    return account, observer


def _counting(code: CodeType, counts: Counter[tuple[str, int]]) -> Tracer:
    """A trace function that counts the lines of the kernel's own file."""
    name = code.co_filename.rpartition("/")[2]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != code.co_filename:
            return None
        if event == "line":
            counts[name, frame.f_lineno] += 1
        return trace

    return trace
