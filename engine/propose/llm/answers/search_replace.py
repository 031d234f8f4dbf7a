"""Blocks: SEARCH/REPLACE edits, read from a model's answer and applied to its parent.

Reading is lenient about the markers; applying is strict. A SEARCH stands for whole lines that the parent has
exactly once, letter by letter or, failing that, up to white space, when REPLACE takes the indentation that
the parent has there; or else for a fragment of one line that the parent has exactly once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

from .code_blocks import is_fence

MOST_SHOWN = 8
"""Lines of the parent that a message shows."""
WIDEST = 160
"""Characters of each of them."""
_MOST_COMPARED = 1_000

_OPEN = re.compile(r"\s*<{5,9}(?!<)\s*(?:(?:search|original|old|find|head|before)\b[^<>]{0,80})?$", re.I)
_DIVIDE = re.compile(r"\s*={5,9}(?!=)\s*(?:(?:replace|new|with|updated)\b.{0,20})?$", re.I)
_CLOSE = re.compile(r"\s*>{5,9}(?!>)\s*(?:(?:replace|updated|new|end|head|after)\b[^<>]{0,80})?$", re.I)
_NUMBERED = re.compile(r"\s*\d{1,4}(?:\s*[|:→]|\t)[ ]?")


class Unusable(Exception):
    """An answer from which no candidate can be made. The message says how to repair it, to the model."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of the parent and the lines to put in their place; blank ones at either end are gone."""

    search: tuple[str, ...]
    replace: tuple[str, ...]


class _Patch(NamedTuple):
    """Lines [start, end) of the parent, and what stands there afterwards."""

    start: int
    end: int
    lines: tuple[str, ...]


def blocks(text: str) -> tuple[tuple[Block, ...], str]:
    """(the blocks of an answer in order, the text around them). Unusable where a block has no divider."""
    found: list[Block] = []
    around: list[str] = []
    search: list[str] | None = None
    replace: list[str] | None = None
    for line in [*text.split("\n"), None]:
        marks = None if line is None else line.replace("«", "<<").replace("»", ">>")
        opens, closes = (bool(marks and marker.match(marks)) for marker in (_OPEN, _CLOSE))
        if search is None:
            if opens:
                search = []
            elif line is not None and not closes:
                around.append(line)
        elif replace is None:
            if line is None or opens or closes:
                raise Unusable("a SEARCH block has no `=======` line; write SEARCH, `=======`, then REPLACE")
            if _DIVIDE.match(line):
                replace = []
            else:
                search.append(line)
        elif line is None or opens or closes:
            if line is None and not any(map(is_fence, replace[1:])):
                raise Unusable(
                    "the last block has no `>>>>>>> REPLACE` line; the answer may have been cut off"
                )
            found.append(Block(_section(search), _section(replace, closed=closes)))
            search, replace = [] if opens else None, None
        else:
            replace.append(line)
    return tuple(found), "\n".join(around)


def applied(source: str, edits: Sequence[Block], *, fit: bool = False) -> str:
    """The source after all edits, each of which speaks of the source as it was.

    With `fit`, every REPLACE starts at the indentation that its SEARCH has in the source. Unusable where a
    SEARCH is not there exactly once or two of them overlap; the message shows what is there.
    """
    lines = source.split("\n")
    patches = sorted({_patch(edit, lines, fit) for edit in edits})
    for before, after in pairwise(patches):
        if after.start < before.end:
            raise Unusable(
                f"two SEARCH blocks overlap at the line `{_shown(lines[after.start])}`; join them into one"
            )
    for patch in reversed(patches):
        lines[patch.start : patch.end] = patch.lines
    return "\n".join(lines)


def unnumbered(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines without the line numbers in front, if every line that is not blank has one."""
    if all(_NUMBERED.match(line) for line in lines if line.strip()):
        return tuple(_NUMBERED.sub("", line, count=1) for line in lines)
    return tuple(lines)


def _section(lines: list[str], closed: bool = True) -> tuple[str, ...]:
    """The lines of one side of a block without what frames them; an unclosed one ends with a code block."""
    kept = [line.rstrip() for line in lines]
    said = [number for number, line in enumerate(kept) if line]
    if said and is_fence(kept[said[0]]):
        said.pop(0)
    fences = [place for place, number in enumerate(said) if is_fence(kept[number])]
    if fences and (not closed or fences[-1] == len(said) - 1):
        said = said[: fences[-1] if closed else fences[0]]
    return tuple(kept[said[0] : said[-1] + 1]) if said else ()


def _patch(edit: Block, lines: Sequence[str], fit: bool) -> _Patch:
    """Where the edit goes."""
    if not edit.search:
        raise Unusable("a SEARCH is empty; copy into it the line that is to change, and repeat it in REPLACE")
    plain = Block(unnumbered(edit.search), unnumbered(edit.replace))
    for block in (edit, plain) if plain.search != edit.search else (edit,):
        starts = _places([line.rstrip() for line in lines], block.search)
        if len(starts) > 1:
            raise Unusable(_ambiguous(block, starts))
        for where in starts:
            new = _tabless(block.replace, lines)
            new = _moved(new, _indent(lines[where])) if fit else new
            return _Patch(where, where + len(block.search), new)
        if found := _loosely(block, lines, fit):
            return found
    if found := _fragment(edit, lines):
        return found
    raise Unusable(_absent(plain, lines))


def _places(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where the wanted lines stand in a row."""
    size = len(wanted)
    return [n for n in range(len(lines)) if wanted and tuple(lines[n : n + size]) == tuple(wanted)]


def _loosely(block: Block, lines: Sequence[str], fit: bool) -> _Patch | None:
    """Where the lines stand up to white space and blank lines; None if nowhere."""
    kept = [number for number, line in enumerate(lines) if line.strip()]
    wanted = ["".join(line.split()) for line in block.search if line.strip()]
    starts = _places(["".join(lines[number].split()) for number in kept], wanted)
    if len(starts) > 1:
        raise Unusable(_ambiguous(block, [kept[start] for start in starts]))
    if not starts:
        return None
    first, last = kept[starts[0]], kept[starts[0] + len(wanted) - 1]
    indent, given = _indent(lines[first]), _indent(block.search[0])
    new = _tabless(block.replace, lines)
    if fit or (new and _indent(new[0]) == given):
        new = _moved(new, indent)
    elif new and _indent(new[0]) != indent:
        new = _moved(new, max(0, _indent(new[0]) + indent - given))
    return _Patch(first, last + 1, new)


def _fragment(edit: Block, lines: Sequence[str]) -> _Patch | None:
    """One line with a part of it replaced, where SEARCH is such a part and no other line has it."""
    if len(edit.search) != 1 or len(edit.replace) > 1 or len(edit.search[0].strip()) < 3:
        return None
    old, new = edit.search[0].strip(), "".join(edit.replace).strip()
    places = [
        (number, at.start())
        for number, line in enumerate(lines)
        for at in re.finditer(rf"(?<![\w.]){re.escape(old)}(?![\w.])", line)
    ]
    if len(places) != 1:
        return None
    ((number, column),) = places
    line = lines[number]
    return _Patch(number, number + 1, (line[:column] + new + line[column + len(old) :],))


def _indent(line: str) -> int:
    """Columns of white space before the line."""
    wide = line.expandtabs(4)
    return len(wide) - len(wide.lstrip())


def _tabless(new: tuple[str, ...], lines: Sequence[str]) -> tuple[str, ...]:
    """The new lines with four spaces for each tab in front, where the parent has no such tabs."""
    if any(line.startswith("\t") for line in lines):
        return new
    return tuple(" " * _indent(line) + line.lstrip() for line in new)


def _moved(new: tuple[str, ...], indent: int) -> tuple[str, ...]:
    """The lines shifted so that the first has this indentation."""
    shift = indent - _indent(new[0]) if new else 0
    return tuple(" " * max(0, _indent(line) + shift) + line.lstrip() if line else line for line in new)


def _shown(line: str) -> str:
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"


def _ambiguous(block: Block, starts: Sequence[int]) -> str:
    places = ", ".join(str(start + 1) for start in starts[:MOST_SHOWN])
    return (
        f"the SEARCH that starts with `{_shown(block.search[0].strip())}` stands {len(starts)} times in the "
        f"parent (lines {places}); add a line before or after it to SEARCH and REPLACE, so that it is unique"
    )


def _absent(block: Block, lines: Sequence[str]) -> str:
    """What to say of a SEARCH that the parent does not have: the lines that come closest."""
    ahead, wanted = max(enumerate(block.search), key=lambda pair: len(pair[1].strip()))
    matcher = SequenceMatcher(b=wanted.strip()[:WIDEST], autojunk=False)

    def likeness(number: int) -> float:
        matcher.set_seq1(lines[number].strip()[:WIDEST])
        return matcher.ratio()

    best = max(range(min(len(lines), _MOST_COMPARED)), key=likeness)
    start = max(0, best - min(ahead, MOST_SHOWN // 2))
    near = lines[start : start + min(max(len(block.search), 3), MOST_SHOWN)]
    return (
        f"the SEARCH that starts with `{_shown(block.search[0].strip())}` is not in the parent; copy whole "
        "lines from it without any change. The closest lines there are:\n" + "\n".join(map(_shown, near))
    )
