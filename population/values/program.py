"""Program: one immutable source text of a kind. Equal content has equal identity."""

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Program:
    """One individual. Never edited: a mutation is a new Program that names its parents."""

    kind: str
    source: str
    parents: tuple[str, ...] = ()
    made_by: str = "seed"
    explanation: str = ""

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the content: same kind and source, same id, whoever made it."""
        return sha256(f"{self.kind}\0{self.source}".encode()).hexdigest()[:16]
