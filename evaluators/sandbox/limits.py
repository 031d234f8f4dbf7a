"""Limits: what one candidate may use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one candidate may use before it is killed.

    `cpu_seconds` is the limit that counts: it does not depend on how busy the machine is. `wall_seconds` is
    the backstop for one that sleeps (None: four times the CPU limit plus ten), in a session for all of our
    waiting together.
    `memory_mb` is address space on top of what the zygote already holds and of the arrays sent along.
    `output_mb` is the room for everything that it sends back, arrays included.
    """

    cpu_seconds: float = 60.0
    wall_seconds: float | None = None
    memory_mb: int = 2048
    output_mb: int = 64

    def __post_init__(self) -> None:
        for name in ("cpu_seconds", "wall_seconds", "memory_mb", "output_mb"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e9:
                raise ValueError(f"{name} must be above zero and finite, got {value!r}")

    @property
    def deadline_seconds(self) -> float:
        """The backstop in seconds of wall clock."""
        return self.cpu_seconds * 4 + 10 if self.wall_seconds is None else self.wall_seconds
