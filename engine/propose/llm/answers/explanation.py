"""Explanation: what a model says of its own change, as one plain line that can be shown to anyone.

The line comes back in later prompts, in logs and on terminals, so nothing in it may act there: no line
breaks, control or invisible characters, terminal sequences, marks of code blocks or of edits. What it says
stays untrusted all the same: prompts must show it as data.
"""

import re
import unicodedata
from collections.abc import Sequence

MOST = 300
"""Characters of an explanation."""

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\^_])|\x9b[0-?]*[@-~]"
)
_UNUSUAL = re.compile(r"[^\n\t -~]")
_MARKS = re.compile(r"`{3,}|~{3,}|<{5,}|>{5,}|={5,}")
_LABEL = re.compile(
    r"[\s#>*_\-`\d.)\"]*explanation(?: of [\w ]{1,40})?[\s*_`\"]*(?:(?:[:=–—]|-\s)[\s*_`|\"]*(.*))?$", re.I
)
_BULLET = re.compile(r"(?:[-+•]|\d{1,2}[.)])\s+")
_GREETING = re.compile(
    r"(?:sure|certainly|of course|okay|ok|great|absolutely|below (?:is|are)|here(?:'s|’s| is| are)"
    r"|i'll|let me|looking at|based on|to improve)\b",
    re.I,
)
_CODE = re.compile(r"\s*(?:import |from |def |class |return\b|@|[A-Z_]+ *=)")


def clean(text: str) -> str:
    """The text without terminal sequences and without control, invisible and unknown characters.

    Lines end in a newline alone. Every kind of space becomes a plain one, a tab stays, and half of a
    surrogate pair becomes "\\ufffd".
    """
    text = _SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _UNUSUAL.sub(lambda found: _visible(found[0]), text)


def plain(text: str, most: int = MOST) -> str:
    """The text as one line of at most `most` characters, without marks of code blocks and edit markers."""
    words = " ".join(_MARKS.sub(" ", clean(text)).split()).strip("*_#|> ")
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def explanation(prose: str) -> str:
    """The paragraph labelled "explanation:", else the first line that says something, else ""."""
    lines = prose.split("\n")
    for number, line in enumerate(lines):
        if (found := _LABEL.match(line)) and (
            words := plain(_paragraph([found[1] or "", *lines[number + 1 :]]))
        ):
            return words
    said = [line for line in map(str.strip, lines) if plain(line) and not _CODE.match(line)]
    telling = [line for line in said if not line.endswith(":") and not _GREETING.match(line)]
    return plain(_BULLET.sub("", (telling or said or [""])[0], count=1))


def _paragraph(lines: Sequence[str]) -> str:
    """The first lines that are not blank, up to a blank one or another label."""
    start = next((number for number, line in enumerate(lines) if line.strip()), 0)
    ends = (n for n in range(start + 1, len(lines)) if not lines[n].strip() or _LABEL.match(lines[n]))
    return "\n".join(lines[start : next(ends, len(lines))])


def _visible(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Cf" | "Cn" | "Co":
            return ""
        case "Zs" | "Zl" | "Zp":
            return " "
        case "Cs":
            return "\ufffd"
    return character
