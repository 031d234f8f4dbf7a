"""What is wrong with a program: findings with stable names, and the report that the gate hands back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Direction = Literal["forward", "backward"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")

NAMES: Mapping[str, str] = {
    "missing": "the program has no such function",
    "raises": "the program raised, or does not compile",
    "type": "a result is not a plain tensor, or not a tuple of one tensor per gradient",
    "shape": "a result has another shape than the reference's",
    "dtype": "a result has another dtype than the inputs",
    "strides": "a result's memory is laid out differently from the reference's",
    "alias": "a result shares memory with an input or another result, or is a part of something larger",
    "wrong": "a result is wrong by more than 2 %",
    "imprecise": "a result errs by more than three times eager's error in the same dtype",
    "nan": "NaN or infinities stand where they should not, or are missing where they should be",
    "unwritten": "a result has elements that nothing wrote",
    "out_of_bounds": "a launch reads or writes outside its tensors",
    "overflow": "a 32-bit integer wraps around",
    "race": "what two programs of a launch do depends on which is first",
    "inputs_changed": "the program writes to its inputs",
    "stale": "new contents at the same addresses give the result of the old ones",
    "unrepeatable": "the same call gives other bits, and no float atomics explain it",
    "torch_computes": "PyTorch operators compute, rather than the program's launches",
    "unlaunched": "results are there although no launch ran",
    "gradient": "backward is not the derivative of the program's own forward",
}
"""Every finding's name and what it says. Names are stable: reports, tests and repairs use them."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where it was seen, and a sentence with numbers."""

    name: str
    check: str
    """Which check saw it, a name in `gate.CHECKS`."""
    direction: Direction
    dtype: str
    sizes: Mapping[str, int]
    message: str

    def __str__(self) -> str:
        sizes = " ".join(f"{letter}={size}" for letter, size in self.sizes.items())
        return f"{self.name} ({self.check}) in {self.direction}, {self.dtype}, {sizes}: {self.message}"


@dataclass(frozen=True)
class Report:
    """What the gate found. Empty findings: the program passes."""

    findings: tuple[Finding, ...]
    calls: int
    """How often a function of the program was called."""
    launches: int
    """How many launches these calls made."""
    cpu_seconds: float
    """CPU time of this process for all of it, references included."""

    @property
    def passed(self) -> bool:
        return not self.findings

    @property
    def names(self) -> frozenset[str]:
        return frozenset(finding.name for finding in self.findings)


def once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The first finding of each name, direction and dtype: one bug shows at many sizes."""
    seen: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        seen.setdefault((finding.name, finding.direction, finding.dtype), finding)
    return tuple(seen.values())
