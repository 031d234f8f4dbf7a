"""The parts of an estimate, and how they become one number.

Parts are seconds that a launch would take were that part alone what bounds it. A kernel overlaps them, so the
greatest one counts in full and `overlap` of each other one is added; the launch itself comes first and
overlaps with nothing.
"""

from collections.abc import Mapping

PARTS = ("launch", "dram", "l2", "tensor", "fp", "issue", "latency")
"""launch: from one kernel to the next. dram: bytes that must cross. l2: 32-byte sectors asked for. tensor:
tensor cores. fp: CUDA cores in floating point. issue: any other unit or the instruction schedulers. latency:
waiting in one program, as often as programs follow each other on a multiprocessor."""
BUSY = PARTS[1:]
Parts = Mapping[str, float]
"""Seconds by part."""


def weighted(parts: Parts, weights: Parts) -> dict[str, float]:
    """Parts times their weights; a weight that is not given is one."""
    return {name: parts[name] * weights.get(name, 1.0) for name in PARTS}


def combine(parts: Parts, overlap: float) -> float:
    """Seconds of one launch."""
    busy = [parts[name] for name in BUSY]
    return parts["launch"] + (1 - overlap) * max(busy) + overlap * sum(busy)


def bound(parts: Parts) -> str:
    """The greatest part."""
    return max(PARTS, key=lambda name: parts[name])
