"""Code blocks: where a model's answer holds code and where prose."""

import re
from dataclasses import dataclass
from textwrap import dedent

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})[ \t]*([^`]*)$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer: the inside of a code block, or prose between them."""

    text: str
    fenced: bool


def is_fence(line: str) -> bool:
    """Whether the line opens or closes a code block."""
    return _FENCE.match(line) is not None


def pieces(text: str) -> tuple[Piece, ...]:
    """The answer in order, without the marks of code blocks and without empty pieces.

    A block that is never closed reaches to the end; a line that opens another one closes it.
    """
    found: list[Piece] = []
    gathered: list[str] = []
    opened = ""

    def end() -> None:
        words = "\n".join(gathered)
        if words.strip():
            found.append(Piece(dedent(words).strip("\n") + "\n" if opened else words, bool(opened)))
        gathered.clear()

    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if not fence or (opened and (fence[1][0] != opened[0] or len(fence[1]) < len(opened))):
            gathered.append(line)
            continue
        end()
        opened = "" if opened and not fence[2].strip() else fence[1]
    end()
    return tuple(found)
