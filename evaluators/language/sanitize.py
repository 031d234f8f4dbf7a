"""Sanitizing: text of others made harmless for its medium: a terminal, Markdown, or a prompt.

It moves no cursor, opens no tag or link, ends no code block and speaks in no role.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|.)?"
)
"""A terminal's control sequence."""
_ROLE = re.compile(
    r"<(?=[|\uff5c]|/?(?:s|think|bos|eos|unk|pad|sop|eop|image|tool_call|tool_response|system|user|assistant|human"
    r"|model|[a-z]+_of_[a-z]+|extra_id_\d+|SPECIAL_\d+)>)|[|\uff5c](?=>)|<(?=</?SYS>>)"
    r"|\[(?=\||/?(?:INST|AVAILABLE_TOOLS|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|IMG|gMASK)\])"
    r"|^(?:##(?=# (?:Instruction|Response|System|Human|User|Assistant)\b)"
    r"|(?:Human|User|Assistant|System)(?=:))",
    re.MULTILINE,
)
"""Where a mark begins that chat templates of models put between turns."""
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|\](?=[(:\[])")
"""Where a tag of HTML begins, or what makes a link of Markdown out of its words."""
_TICKS = re.compile(r"`{3,}")
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode's controls, direction overrides, invisible and private characters, and lone surrogates."""


def visible(text: str) -> str:
    """The text for a terminal: its lines, without control sequences, directions and hidden characters."""
    text = _ESCAPE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.isascii() or not text.isprintable():
        text = "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in _HIDDEN)
    return text


def clean(text: str) -> str:
    """The text for a prompt: as for a terminal, and with the marks of turns taken apart."""
    return _ROLE.sub(lambda mark: mark[0] + " ", visible(text))


def markdown(text: str) -> str:
    """The text for Markdown: on one line, and with tags and links taken apart."""
    return _MARKUP.sub(lambda mark: mark[0] + " ", " ".join(visible(text).split()))


def everywhere(change: Callable[[str], str], value: Any) -> Any:
    """The JSON value with all its texts changed, keys included."""
    match value:
        case str():
            return change(value)
        case dict():
            return {change(key): everywhere(change, item) for key, item in value.items()}
        case list() | tuple():
            return [everywhere(change, item) for item in value]
        case _:
            return value


def one_line(text: str, limit: int = 300) -> str:
    """The text on one line of at most `limit` characters."""
    flat = " ".join(clean(text[: 4 * limit]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def code_block(text: str, language: str = "text") -> str:
    """The text as a Markdown code block whose marks are longer than any inside."""
    body = clean(text).strip("\n")
    ticks = "`" * max((len(run) + 1 for run in _TICKS.findall(body)), default=3)
    return f"{ticks}{language}\n{body}\n{ticks}"
