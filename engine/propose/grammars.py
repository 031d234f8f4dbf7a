"""Grammars: GBNF for a llama.cpp server, built from the very programs that an answer is about.

A small model cannot copy a line or keep a signature reliably; a grammar leaves it no other choice. What is
free stays free: the expressions. Every sentence of a grammar is one that `answers.read` takes, but for
answers that change nothing. Format: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

import ast
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...evaluators.static import Rules
from .proposer import Parent
from .settings import Form

MOST_LINES = 6
"""Lines that a REPLACE may have; a block with more is a rewrite."""
MOST_BODY = 16
"""Lines of a function's body."""
MOST_INSIDE = 4
"""Lines under an `if` or a `for`."""
_SHARED = r"""said ::= "explanation: " [A-Z] [^\x00-\x1f\x7f`<>=~]{8,160} newline
code ::= [A-Za-z_] rest
rest ::= [ -~]{1,120}
value ::= [-+0-9.{(\["'] [ -~]{0,160}
branch ::= ("if " | "for ") [ -~]{1,80} ":" newline
newline ::= "\n"
"""
"""What both grammars name. No line of code starts as a fence, a marker or a comment does."""


@dataclass(frozen=True)
class _Line:
    """A line of a parent that an edit may replace: a simple statement, alone on its line."""

    text: str
    indent: int
    start: str
    """How its replacement's last line must start: a constant stays one, a function returns."""


def grammar(form: Form, parents: Sequence[Parent], rules: Rules) -> str:
    """The grammar of answers in this form about these parents; "" where none fits, as for no Python.

    "edits": one or two blocks whose SEARCH is a line of the first parent and whose REPLACE keeps the
    indentation. "whole" and "crossover": a program with imports and signatures given and free bodies.
    """
    trees = [_parsed(parent.source) for parent in parents]
    modules = [tree for tree in trees if tree]
    if not modules or not trees[0]:
        return ""
    if form == "edits":
        return _edits(list(_lines(parents[0].source, trees[0])))
    return _program(modules if form == "crossover" else modules[:1], rules)


def literal(text: str) -> str:
    """The text as a literal of GBNF: quoted, with what is not printable ASCII escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~":
        return character
    if character == "\n":
        return "\\n"
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _parsed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _lines(source: str, tree: ast.Module) -> Iterator[_Line]:
    """The lines that an edit may replace, each unique in the source up to white space, from the top."""
    lines = source.split("\n")
    spelled = ["".join(line.split()) for line in lines]
    count = Counter(spelled)
    for node in sorted(_statements(tree), key=lambda node: node.lineno):
        line = lines[node.lineno - 1]
        indent = len(line) - len(line.lstrip(" "))
        alone = node.end_lineno == node.lineno and node.col_offset == indent and line.isprintable()
        if alone and count[spelled[node.lineno - 1]] == 1:
            yield _Line(line.rstrip(), indent, _start(node, indent))


def _statements(tree: ast.Module) -> Iterator[ast.Assign | ast.Return]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node
        elif isinstance(node, ast.FunctionDef):
            yield from (part for part in ast.walk(node) if isinstance(part, (ast.Assign, ast.Return)))


def _start(node: ast.Assign | ast.Return, indent: int) -> str:
    if isinstance(node, ast.Return):
        return "return "
    return f"{ast.unparse(node.targets[0])} = " if not indent else ""


def _edits(lines: Sequence[_Line]) -> str:
    """Two blocks draw on different halves of the parent, so that they never overlap."""
    if not lines:
        return ""
    half = len(lines) // 2
    groups = {"any": lines, "upper": lines[:half], "lower": lines[half:]} if half else {"any": lines}
    needs = dict.fromkeys((line.indent, line.start) for line in lines)
    bodies = {need: f"body{number}" for number, need in enumerate(needs)}
    rules = [f"root ::= said {'(any | upper lower)' if half else 'any'}"]
    for name, members in groups.items():
        pairs = (f"{literal(line.text)} divide {bodies[line.indent, line.start]}" for line in members)
        rules.append(f'{name} ::= "<<<<<<< SEARCH\\n" ({" | ".join(pairs)}) ">>>>>>> REPLACE\\n"')
    rules.append('divide ::= "\\n=======\\n"')
    rules += [f"{name} ::= {_body(*need)}" for need, name in bodies.items()]
    return "\n".join(rules) + "\n" + _SHARED


def _body(indent: int, start: str, most: int = MOST_LINES) -> str:
    """Lines at one indentation, blocks among them; the last one starts as it must, if it must."""
    if not indent:
        return f"{literal(start)} value newline"
    pad, inner = literal(" " * indent), literal(" " * (indent + 4))
    line = f"{pad} (code newline | branch ({inner} code newline){{1,{MOST_INSIDE}}})"
    if not start:
        return f"({line}){{1,{most}}}"
    return f"({line}){{0,{most - 1}}} {literal(' ' * indent + start)} rest newline"


def _program(modules: Sequence[ast.Module], rules: Rules) -> str:
    """A fence with the imports, constants and signatures of the parents and of the rules."""
    constants = dict.fromkeys(rules.constants, "")
    functions = {name: f"def {name}({', '.join(names)}):" for name, names in rules.functions.items()}
    helpers: dict[str, str] = {}
    for node in (node for module in modules for node in module.body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants.setdefault(node.targets[0].id, ast.unparse(node) + "\n")
        elif isinstance(node, ast.FunctionDef) and node.name not in functions:
            helpers.setdefault(node.name, f"def {node.name}({ast.unparse(node.args)}):")
    parts = [literal("\n```python\n" + "".join(f"{line}\n" for line in _imports(modules, rules)))]
    for name, given in constants.items():
        parts.append(literal(given) if given else f"{literal(f'{name} = ')} value newline")
    for signature in (*helpers.values(), *functions.values()):
        parts.append(f"{literal(f'{chr(10)}{chr(10)}{signature}{chr(10)}')} body")
    root = f"root ::= said {' '.join(parts)} {literal('```')} newline\n"
    return f"{root}body ::= {_body(4, 'return ', MOST_BODY)}\n{_SHARED}"


def _imports(modules: Sequence[ast.Module], rules: Rules) -> list[str]:
    """Import lines: the parents' own, then every other module that the rules allow."""
    given = [
        alias
        for module in modules
        for node in module.body
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    lines = [f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "") for alias in given]
    named = {alias.name for alias in given}
    more = (f"import {name}" for name in sorted(rules.modules) if name not in named)
    return list(dict.fromkeys([*lines, *more]))
