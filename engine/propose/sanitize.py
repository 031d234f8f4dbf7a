"""Sanitizing: text of others made harmless: it ends no code block, speaks in no role, moves no cursor."""

import re
import unicodedata

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|.)?"
)
"""A terminal's control sequence."""
_ROLE = re.compile(
    r"<(?=\||/?(?:s|think|bos|eos|unk|pad|start_of_turn|end_of_turn|tool_call|system|user|assistant)>)"
    r"|\|(?=>)|\[(?=/?INST\])|<(?=</?SYS>>)"
)
"""Where a mark begins that chat templates of models put between turns."""
_TICKS = re.compile(r"`{3,}")
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode's controls, direction overrides, invisible and private characters, and lone surrogates."""


def clean(text: str) -> str:
    """The text with its lines, without control characters, and with the marks of turns taken apart."""
    text = _ESCAPE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.isascii() or not text.isprintable():
        text = "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in _HIDDEN)
    return _ROLE.sub(lambda mark: mark[0] + " ", text)


def one_line(text: str, limit: int = 300) -> str:
    """The text on one line of at most `limit` characters."""
    flat = " ".join(clean(text[: 4 * limit]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def code_block(text: str, language: str = "text") -> str:
    """The text as a Markdown code block whose marks are longer than any inside."""
    body = clean(text).strip("\n")
    ticks = "`" * max((len(run) + 1 for run in _TICKS.findall(body)), default=3)
    return f"{ticks}{language}\n{body}\n{ticks}"
