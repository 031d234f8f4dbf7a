"""Grammars: sentences drawn at random from what a server would be sent, each of which must be read."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest

from recevolve.engine.config.proposers import Form
from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.llm.answers.answers import Unusable, read
from recevolve.engine.propose.llm.answers.gbnf import grammar, literal
from recevolve.evaluators.optimizer.task import TASK

SEEDS = [Parent(name, source) for name, source in TASK.seeds.items()]
ODD = Parent(
    "odd",
    'import torch as t\n\nHYPERPARAMETERS = {"lr": 0.1}\nSCALE = 2.0\n\n\ndef odd(x):\n'
    '    key = "a\\\\b\\"c"\n    same = x\n    if x > 1:\n        same = x\n        x = "µ"; y = 1\n'
    "    told = 1  # once\n"
    "    long = (x +\n            1)\n    return (x)\n\n\ndef init(param):\n    return param\n",
)


@dataclass(frozen=True)
class Node:
    """A part of a grammar: "text", "class" (the characters), "name", "all" or "one" of parts; repeated."""

    kind: str
    value: str = ""
    parts: tuple["Node", ...] = ()
    least: int = 1
    most: int = 1


class Reader:
    """Reads the part of GBNF that we write: literals, classes, groups, alternatives, repetitions, names."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def rules(self) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for line in self.text.strip("\n").split("\n"):
            name, _, self.text = line.partition(" ::= ")
            self.at = 0
            assert name
            assert name.replace("-", "").isalnum()
            assert name not in found
            found[name] = self.one()
            assert self.at == len(self.text), line
        return found

    def one(self) -> Node:
        parts = [self.all()]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.all())
        return Node("one", parts=tuple(parts))

    def all(self) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.item()))
        return Node("all", parts=tuple(parts))

    def item(self) -> Node:
        match self.peek():
            case '"':
                return Node("text", "".join(self.characters('"')))
            case "[":
                return Node("class", self.ranges(list(self.characters("]"))))
            case "(":
                self.at += 1
                inner = self.one()
                assert self.peek() == ")"
                self.at += 1
                return inner
        start = self.at
        while self.at < len(self.text) and (self.text[self.at].isalnum() or self.text[self.at] == "-"):
            self.at += 1
        assert self.at > start, self.text[start:]
        return Node("name", self.text[start : self.at])

    def repeated(self, node: Node) -> Node:
        if self.at < len(self.text) and self.text[self.at] == "{":
            end = self.text.index("}", self.at)
            least, _, most = self.text[self.at + 1 : end].partition(",")
            self.at = end + 1
            return Node("all", parts=(node,), least=int(least), most=int(most or least))
        assert self.text[self.at : self.at + 1] not in ("?", "*", "+")
        return node

    def peek(self) -> str:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1
        return self.text[self.at : self.at + 1]

    def characters(self, end: str) -> Iterator[str]:
        """The characters up to `end`, escapes resolved."""
        self.at += 1
        while (character := self.text[self.at]) != end:
            size = 1
            if character == "\\":
                code = self.text[self.at + 1]
                size = {"x": 4, "u": 6, "U": 10}.get(code, 2)
                plain = {"n": "\n", '"': '"', "\\": "\\", "[": "[", "]": "]"}
                digits = self.text[self.at + 2 : self.at + size]
                character = chr(int(digits, 16)) if digits else plain[code]
            yield character
            self.at += size
        self.at += 1

    def ranges(self, characters: list[str]) -> str:
        negated = characters[0] == "^"
        rest = characters[1:] if negated else characters
        found: set[str] = set()
        place = 0
        while place < len(rest):
            if place + 2 < len(rest) and rest[place + 1] == "-":
                found |= set(map(chr, range(ord(rest[place]), ord(rest[place + 2]) + 1)))
                place += 3
            else:
                found.add(rest[place])
                place += 1
        return "".join(sorted(set(map(chr, range(0x250))) - found if negated else found))


def sentence(rules: dict[str, Node], node: Node, rng: np.random.Generator) -> str:
    """A random text of the grammar."""
    times = int(rng.integers(node.least, node.most + 1))
    match node.kind:
        case "text":
            return node.value
        case "class":
            return node.value[int(rng.integers(len(node.value)))]
        case "name":
            return sentence(rules, rules[node.value], rng)
        case "one":
            return sentence(rules, node.parts[int(rng.integers(len(node.parts)))], rng)
    return "".join(sentence(rules, part, rng) for _ in range(times) for part in node.parts)


def test_the_reader_of_grammars_reads() -> None:
    rules = Reader(
        'root ::= "a\\n" (b | "c"){2} [^\\x00-y\\x7b-\\u0250]\nb ::= "\\"" "\\\\" | [x-z\\]]{0,1}\n'
    ).rules()
    rng = np.random.Generator(np.random.Philox(0))
    drawn = {sentence(rules, rules["root"], rng) for _ in range(400)}
    pieces = ('"\\', "x", "y", "z", "]", "", "c")
    assert drawn <= {f"a\n{x}{y}z" for x in pieces for y in pieces}
    assert {f"a\n{piece}cz" for piece in pieces} <= drawn


@pytest.mark.heavy
@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize("parent", [*SEEDS, ODD], ids=lambda parent: parent.program_id)
def test_every_sentence_is_read(form: Form, parent: Parent) -> None:
    parents = (parent, SEEDS[0] if parent != SEEDS[0] else SEEDS[1])
    rules = Reader(grammar(form, parents, TASK.rules)).rules()
    rng = np.random.Generator(np.random.Philox(1))
    changed = 0
    for _ in range(40):
        text = sentence(rules, rules["root"], rng)
        try:
            edited = read(form, text, parents, TASK.rules)
        except Unusable:
            continue
        changed += 1
        assert edited.explanation
        assert edited.explanation[:1] == text.removeprefix("explanation: ")[:1]
        if form != "edits":
            for name, parameters in TASK.rules.functions.items():
                assert f"def {name}({', '.join(parameters)}):\n" in edited.source
    assert changed == 40


def test_an_edit_changes_one_line_at_a_time_and_keeps_what_it_gives() -> None:
    adam = next(seed for seed in SEEDS if seed.program_id == "adam")
    rules = Reader(grammar("edits", [adam], TASK.rules)).rules()
    rng = np.random.Generator(np.random.Philox(2))
    for _ in range(60):
        text = sentence(rules, rules["root"], rng)
        edited = read("edits", text, [adam], TASK.rules)
        kept = [line for line in adam.source.split("\n") if line in edited.source.split("\n")]
        count = text.count("<<<<<<< SEARCH")
        assert count in (1, 2)
        assert len(adam.source.split("\n")) - len(kept) <= count
        for name in ("mean", "square", "mean_hat", "square_hat", "new_param"):
            assert f"\n    {name} = " in edited.source
        assert edited.source.count("\n    return ") == 2


def test_lines_that_cannot_be_replaced_alone_are_not_offered() -> None:
    text = grammar("edits", [ODD], TASK.rules)
    searched = [
        line.partition("SEARCH\\n")[2].partition('" divide')[0]
        for line in text.split("\n")
        if "SEARCH" in line
    ]
    lines = (r'    key = "a\\b\"c"', "    told = 1  # once", "    return (x)", "    return param")
    assert searched == [literal(line)[1:-1] for line in lines]


@pytest.mark.parametrize("source", ["", "no python here", "x = 1\n", "import torch\n", '"""Only words."""\n'])
def test_no_grammar_where_none_fits(source: str) -> None:
    assert grammar("edits", [Parent("p", source)], TASK.rules) == ""
    if source == "no python here":
        assert grammar("whole", [Parent("p", source)], TASK.rules) == ""


def test_a_crossover_offers_what_both_parents_have() -> None:
    text = grammar("crossover", [SEEDS[0], ODD], TASK.rules)
    assert "def odd(x):" in text
    assert "SCALE = 2.0" in text
    assert "import torch as t" in text
    assert "def odd(x):" not in grammar("whole", [SEEDS[0], ODD], TASK.rules)


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\t", "µ", "\u2028", "😀", "a\\n", ""])
def test_literals_survive(text: str) -> None:
    (rule,) = Reader(f"root ::= {literal(text)}").rules().values()
    assert sentence({}, rule, np.random.Generator(np.random.Philox(0))) == text
    assert literal(text).isascii()


def test_signatures_are_those_of_the_rules() -> None:
    (parent,) = (seed for seed in SEEDS if seed.program_id == "lion")
    text = grammar("whole", [parent], TASK.rules)
    offered = [line for line in text.split("\\n") if line.startswith("def ")]
    assert [ast.parse(f"{line} pass").body[0].name for line in offered] == ["init", "update"]  # type: ignore[attr-defined]
