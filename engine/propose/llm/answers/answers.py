"""Answers: a model's words in, one candidate's source and its explanation out, and nothing else.

Lenient about prose, code blocks, line ends and thinking aloud; strict about what is applied. Whatever a text
says, reading it gives a source (which static rules and the sandbox judge next), one plain line, or Unusable.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .....evaluators.language.rules import Rules
from .....evaluators.language.static import parsed
from ....config.proposers import Form
from ....loop.proposer import Parent
from .code_blocks import Piece, pieces
from .explanation import clean, explanation
from .search_replace import Block, Unusable, applied, blocks, unnumbered

__all__ = ["Edited", "Unusable", "read"]

MOST_CHARACTERS = 200_000
"""Of an answer, thinking included."""

_THOUGHT = re.compile(r"\s*<(think|thinking|reasoning|thought)>(.*?)</\1>", re.S | re.I)
_THINKING = re.compile(r"\s*<(?:think|thinking|reasoning|thought)>", re.I)
_THOUGHT_OVER = re.compile(r"^[ \t]*</(?:think|thinking|reasoning|thought)>", re.M | re.I)
_ELIDED = re.compile(
    r"^[ \t]*(?:#[ \t]*)?\(?(?:\.\.\.|…).*"
    r"|^[ \t]*#[ \t]*\(?(?:the )?(?:rest|remainder|remaining|existing)\b.*"
    r"\b(?:code|unchanged|same|function|before)\b.*",
    re.M | re.I,
)
_STARTS = re.compile(r"(?:import |from |def |@|\"\"\"|[A-Z][A-Z0-9_]* *=)")
_SECTION = re.compile(r"\W*(search|original|find|replace(?:ment)?(?: with)?)\W*$", re.I)


@dataclass(frozen=True, slots=True)
class Edited:
    """A candidate's source, its explanation in one line ("" where there is none), and what it draws on.

    `parents` are places in the sequence of parents that the prompt showed, the one that was edited first.
    """

    source: str
    explanation: str
    parents: tuple[int, ...]


def read(form: Form, text: str, parents: Sequence[Parent], rules: Rules) -> Edited:
    """The candidate in a model's answer. Unusable, with words for the model, where there is none.

    `form` is what was asked for: "edits" to the first parent, a "whole" program, or a "crossover" of the
    first two. An answer in another of the forms is taken too, where it is complete.
    """
    if len(text) > MOST_CHARACTERS:
        raise Unusable(f"the answer has {len(text)} characters; at most {MOST_CHARACTERS} are read")
    words = _spoken(clean(text))
    edits, around = blocks(words)
    prose = "\n".join(piece.text for piece in pieces(around) if not piece.fenced)
    told = explanation(prose) or (explanation(around) if edits else "")
    if edits and (form == "edits" or _program(words, parents, rules) is None):
        source = _edited(edits, parents[0], rules)
    else:
        source = _written(form, words, parents, rules)
    draws_on = (0, 1) if form == "crossover" and len(parents) > 1 else (0,)
    return Edited(source, told, draws_on)


def _spoken(text: str) -> str:
    """The answer without the thinking that some models put before it."""
    while found := _THOUGHT.match(text):
        text = text[found.end() :]
    if _THINKING.match(text):
        raise Unusable("the answer ends while still thinking; think less and write the answer")
    if over := _THOUGHT_OVER.search(text):
        text = text[over.end() :]
    if not text.strip():
        raise Unusable("the answer is empty")
    return text


def _edited(edits: Sequence[Block], parent: Parent, rules: Rules) -> str:
    """The parent after the edits; re-indented where only that makes it Python."""
    _complete("\n".join(line for edit in edits for line in edit.replace), [parent])
    source = _ended(applied(parent.source, edits))
    if _tree(source, rules) is None:
        fitted = _ended(applied(parent.source, edits, fit=True))
        source = source if _tree(fitted, rules) is None else fitted
    return _changed(source, [parent], rules)


def _written(form: Form, words: str, parents: Sequence[Parent], rules: Rules) -> str:
    """The program that the answer writes out, or the edits that it tells by headings."""
    source = _program(words, parents, rules)
    if source is None and (edits := _headed(pieces(words))):
        return _edited(edits, parents[0], rules)
    if source is None and form == "edits":
        raise Unusable(
            "the answer holds no edit; write one or more blocks of `<<<<<<< SEARCH`, lines copied from the "
            "parent, `=======`, their replacement, `>>>>>>> REPLACE`"
        )
    if source is None:
        fenced = [piece.text for piece in pieces(words) if piece.fenced]
        if not fenced:
            raise Unusable("the answer holds no program; write all of it in one ```python fence")
        source = _ended(max(fenced, key=len))
    _complete(source, parents)
    return _changed(source, parents, rules)


def _program(words: str, parents: Sequence[Parent], rules: Rules) -> str | None:
    """The first complete program of the answer that is none of the parents; a parent if there is no other.

    Where no code block holds a complete one, all of them together may.
    """
    found = pieces(words)
    fenced = [piece.text for piece in found if piece.fenced]
    complete = _completes(fenced or _bare(found), rules) or _completes(["\n".join(fenced)], rules)
    shown = {_dump(parent.source, rules) for parent in parents}
    others = (text for text in complete if _dump(text, rules) not in shown)
    return next(others, complete[0] if complete else None)


def _completes(texts: Sequence[str], rules: Rules) -> list[str]:
    """Those of the texts that are complete programs, with or without the line numbers in front."""
    spelled = [(text, "\n".join(unnumbered(text.split("\n")))) for text in texts]
    return [one for pair in spelled for one in dict.fromkeys(map(_ended, pair)) if _defines(one, rules)]


def _bare(found: Sequence[Piece]) -> list[str]:
    """A program outside of code blocks: from the first line that starts one to the last that may be its."""
    if any(piece.fenced for piece in found):
        return []
    lines = "\n".join(piece.text for piece in found).split("\n")
    own = [number for number, line in enumerate(lines) if _STARTS.match(line)]
    inside = [number for number, line in enumerate(lines) if line.startswith((" ", "\t", "}", ")", "]"))]
    return ["\n".join(lines[own[0] : max(own + inside) + 1])] if own else []


def _headed(found: Sequence[Piece]) -> list[Block]:
    """Edits told as code blocks under the headings SEARCH and REPLACE."""
    sides: list[tuple[str, str]] = []
    for prose, code in pairwise(found):
        heading = _SECTION.match(prose.text.rstrip().rpartition("\n")[2])
        if heading and not prose.fenced and code.fenced:
            sides.append(("replace" if heading[1].lower().startswith("replace") else "search", code.text))
    pairs = list(zip(sides[::2], sides[1::2], strict=False))
    if len(sides) % 2 or any((old[0], new[0]) != ("search", "replace") for old, new in pairs):
        return []
    return [
        Block(tuple(old[1].rstrip().split("\n")), tuple(new[1].rstrip().split("\n"))) for old, new in pairs
    ]


def _complete(text: str, parents: Sequence[Parent]) -> None:
    """Unusable where the text leaves lines out that it should hold."""
    for found in _ELIDED.finditer(text):
        line = found[0].strip()
        if not any(line in parent.source for parent in parents):
            raise Unusable(f"`{line[:80]}` stands for lines that are left out; write every line")


def _changed(source: str, parents: Sequence[Parent], rules: Rules) -> str:
    """The source. Unusable where it says what a parent says."""
    tree = _dump(source, rules)
    for number, parent in enumerate(parents):
        if source.strip() == parent.source.strip() or (tree and tree == _dump(parent.source, rules)):
            raise Unusable(f"the answer changes nothing in program {number + 1}; change what it computes")
    return source


def _ended(text: str) -> str:
    """The text with one line end at its end and none before its start."""
    return text.strip("\n").rstrip() + "\n"


def _defines(text: str, rules: Rules) -> bool:
    """Whether the text is Python and defines every function that the kind requires."""
    tree = _tree(text, rules)
    return tree is not None and rules.functions.keys() <= {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef)
    }


def _dump(text: str, rules: Rules) -> str:
    """The syntax tree as text, "" where there is none."""
    tree = _tree(text, rules)
    try:
        return ast.dump(tree) if tree else ""
    except RecursionError:
        return ""


def _tree(text: str, rules: Rules) -> ast.Module | None:
    """The syntax tree; None for what is not Python or larger than any program of the kind may be."""
    if len(text) > rules.max_bytes:
        return None
    tree = parsed(text)
    return tree if isinstance(tree, ast.Module) else None
