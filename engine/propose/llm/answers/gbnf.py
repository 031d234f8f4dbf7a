"""Grammars: GBNF for a llama.cpp server, built from the very programs that an answer is about.

A small model cannot copy a line or keep a signature reliably, and likes to answer with what it was shown; a
grammar leaves it no other choice. What is free stays free: the expressions. Every sentence of a grammar is
one that `answers.read` takes, but for answers that change white space alone. Format: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .....evaluators.language.rules import Rules
from .....evaluators.language.static import parsed
from ....config.proposers import Form
from ....loop.proposer import Parent

MOST_ADDED = 3
"""Lines that a REPLACE may put before the one that it changes; more is a rewrite."""
MOST_BODY = 16
"""Lines of a function's body."""
MOST_INSIDE = 3
"""Lines under an `if` or a `for`."""
CODE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ .,+-*/%()[]{}\"'<>=:"
"""Characters of an expression."""


def _class(characters: str) -> str:
    """The class of these characters, as ranges."""
    runs: list[list[int]] = []
    for code in sorted(set(map(ord, characters))):
        if runs and code == runs[-1][-1] + 1:
            runs[-1][1:] = [code]
        else:
            runs.append([code])
    return "[" + "".join("-".join(f"\\x{code:02X}" for code in run) for run in runs) + "]"


_SHARED = rf"""said ::= "explanation: " [A-Z] [^\x00-\x1f\x7f`<>=~]{{8,160}} newline
line ::= name (", " name){{0,2}} " = " expression newline
name ::= [a-z] [a-z_0-9]{{0,24}}
expression ::= [A-Za-z0-9_(-] tail
tail ::= {_class(CODE)}{{0,120}}
value ::= [-+0-9.{{(\["'] tail
branch ::= ("if " | "for ") name {_class(CODE)}{{1,60}} ":" newline
newline ::= "\n"
"""
"""What both grammars name: a line of code is an assignment, and starts no code block and no marker."""


@dataclass(frozen=True)
class _Line:
    """A line of a parent that an edit may replace: an assignment or a return, alone on its line.

    `start` is what stays of it, so that whatever it gives is still given, and `rest` what must change.
    """

    text: str
    indent: int
    start: str
    rest: str


def grammar(form: Form, parents: Sequence[Parent], rules: Rules) -> str:
    """The grammar of answers in this form about these parents; "" where none fits, as for no Python.

    "edits": one or two blocks whose SEARCH is a line of the first parent, and whose REPLACE gives the same
    name another value, from further lines if need be. Constants are left to their tuner.
    "whole" and "crossover": a program with imports and signatures given and free bodies.
    """
    trees = [parsed(parent.source) for parent in parents]
    modules = [tree for tree in trees if isinstance(tree, ast.Module)]
    if not modules or modules[0] is not trees[0]:
        return ""
    if form == "edits":
        return _edits(list(_lines(parents[0].source, modules[0])))
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


def _lines(source: str, tree: ast.Module) -> Iterator[_Line]:
    """The lines that an edit may replace, each unique in the source up to white space, from the top."""
    lines = source.split("\n")
    spelled = ["".join(line.split()) for line in lines]
    count = Counter(spelled)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    parts = [part for function in functions for part in ast.walk(function)]
    found = [part for part in parts if isinstance(part, (ast.Assign, ast.Return)) and part.value]
    for node in sorted(found, key=lambda node: node.lineno):
        line = lines[node.lineno - 1].rstrip()
        indent = len(line) - len(line.lstrip(" "))
        start = "return " if isinstance(node, ast.Return) else f"{ast.unparse(node.targets[0])} = "
        code = line.encode()[: node.end_col_offset].decode()
        alone = node.end_lineno == node.lineno and node.col_offset == indent and line.isprintable()
        over = line[len(code) :].lstrip()[:1] in ("", "#")
        if alone and over and line.startswith(start, indent) and count[spelled[node.lineno - 1]] == 1:
            yield _Line(line, indent, start, code[indent + len(start) :])


def _edits(lines: Sequence[_Line]) -> str:
    """Two blocks draw on different halves of the parent, so that they never overlap."""
    if not lines:
        return ""
    half = len(lines) // 2
    names = [f"line{number}" for number in range(len(lines))]
    root = f"{_any(names)} | {_any(names[:half])} {_any(names[half:])}" if half else names[0]
    rules = [f"root ::= said ({root})", 'divide ::= "\\n=======\\n"']
    for name, line in zip(names, lines, strict=True):
        search = literal(f"<<<<<<< SEARCH\n{line.text}")
        start = f"{_inner(line.indent)}{{0,{MOST_ADDED}}} {literal(' ' * line.indent + line.start)}"
        close = literal("\n>>>>>>> REPLACE\n")
        rules.append(f"{name} ::= {search} divide {start} {_other(line.rest)} {close}")
    return "\n".join(rules) + "\n" + _SHARED


def _any(names: Sequence[str]) -> str:
    return f"({' | '.join(names)})"


def _inner(indent: int) -> str:
    """One line, or a small block, at an indentation."""
    pad, inner = literal(" " * indent), literal(" " * (indent + 4))
    return f"({pad} (line | branch ({inner} line){{1,{MOST_INSIDE}}}))"


def _other(text: str) -> str:
    """Any expression but this text: it parts from it after some characters, or goes on with an operator."""
    rule = '" " [-+*/] " " expression'
    for place, character in reversed(list(enumerate(text))):
        early = "| " if place else ""
        rule = f"({early}{_class(CODE.replace(character, ''))} tail | {literal(character)} {rule})"
    return rule


def _program(modules: Sequence[ast.Module], rules: Rules) -> str:
    """A code block with the imports, constants and signatures of the parents and of the rules."""
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
    body = f"{_inner(4)}{{0,{MOST_BODY - 1}}} {literal('    return ')} expression newline"
    return f"{root}body ::= {body}\n{_SHARED}"


def _imports(modules: Sequence[ast.Module], rules: Rules) -> list[str]:
    """Import lines: the parents' own, then every other module that the rules allow."""
    nodes = [node for module in modules for node in module.body if isinstance(node, ast.Import)]
    given = [alias for node in nodes for alias in node.names]
    lines = [ast.unparse(ast.Import([alias])) for alias in given]
    named = {alias.name for alias in given}
    more = (f"import {name}" for name in sorted(rules.modules) if name not in named)
    return list(dict.fromkeys([*lines, *more]))
