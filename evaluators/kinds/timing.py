"""Time beside a reference program: both take turns, so that a busy machine slows both."""

from collections.abc import Callable
from statistics import median
from typing import TypeVar

T = TypeVar("T")
Drawn = TypeVar("Drawn")
WARM_UP = 5
"""Calls of each before the clock counts."""


def in_turn(
    candidate: T,
    reference: T,
    draw: Callable[[], Drawn],
    call: Callable[[T, Drawn, int], object],
    clock: Callable[[T], float],
    steps: int,
) -> tuple[float, float]:
    """The median seconds by `clock` that a call takes the candidate, and the reference.

    Call `number`, from 1, gives both the same draw.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(1, WARM_UP + steps + 1):
        drawn = draw()
        for program, readings in zip((candidate, reference), seconds, strict=True):
            begin = clock(program)
            call(program, drawn, number)
            readings.append(clock(program) - begin)
    mine, theirs = (median(readings[WARM_UP:]) for readings in seconds)
    return mine, theirs
