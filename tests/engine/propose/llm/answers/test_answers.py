"""Answers: forty manners of answering and what is read from each; and no text that breaks the reader."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recevolve.engine.config.proposers import Form
from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.llm.answers.answers import MOST_CHARACTERS, Edited, Unusable, read
from recevolve.evaluators.language.rules import Rules
from recevolve.evaluators.language.static import check

PARENT = '''"""A leaky mean."""

import math

CONSTANTS = {"rate": 0.5, "decay": 0.9}


def start(x):
    return {"mean": 0.0 * x}


def step(x, state, c):
    mean = c["decay"] * state["mean"] + (1.0 - c["decay"]) * x
    bound = math.tanh(mean)
    if x > 0:
        bound = bound + 0.1
    return c["rate"] * bound, {"mean": mean}
'''
OTHER = """import math

CONSTANTS = {"rate": 1.0}


def start(x):
    return {"mean": x}


def step(x, state, c):
    return c["rate"] * math.sin(x), {"mean": state["mean"]}
"""
RULES = Rules(
    functions={"start": ("x",), "step": ("x", "state", "c")},
    constants=("CONSTANTS",),
    modules={"math": frozenset({"tanh", "sin", "exp"})},
    methods=frozenset({"shape"}),
    builtins=frozenset({"abs"}),
)
PARENTS = (Parent("parent", PARENT, 1.0), Parent("other", OTHER, 0.5))
TANH, SINE = "    bound = math.tanh(mean)", "    bound = math.sin(mean)"
NEW = PARENT.replace(TANH, SINE)
PART = "def step(x, state, c):\n    return x, {}\n"


def block(old: str, new: str) -> str:
    return f"<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


BLOCK = block(TANH, SINE)


def numbered(text: str, sign: str = " | ") -> str:
    return "\n".join(f"{number}{sign}{line}" for number, line in enumerate(text.split("\n"), 1))


@dataclass(frozen=True)
class Case:
    """An answer and what becomes of it: the program, or words of the refusal; and the explanation."""

    name: str
    form: Form
    text: str
    source: str | None = NEW
    says: str = ""


CASES = [
    # edits, as they are meant to be
    Case("plain", "edits", f"explanation: A sine.\n\n{BLOCK}", says="A sine."),
    Case(
        "bold label, fenced block",
        "edits",
        f"**Explanation:** Bound by a *sine*.\n\n```python\n{BLOCK}```\n",
        says="Bound by a *sine*.",
    ),
    Case(
        "heading, then paragraph",
        "edits",
        f"## Explanation\n\nThe sine saturates\nand returns.\n\nMore.\n\n## Edit\n\n{BLOCK}",
        says="The sine saturates and returns.",
    ),
    Case(
        "greeting first",
        "edits",
        f"Sure! Here's the edit:\n\nA sine bounds too.\n{BLOCK}",
        says="A sine bounds too.",
    ),
    Case("nothing but the block", "edits", BLOCK),
    Case("explanation after", "edits", f"{BLOCK}\nExplanation: later.\n", says="later."),
    Case(
        "thinking first",
        "edits",
        f"<think>\n{BLOCK.replace('sin', 'exp')}</think>\nexplanation: x\n{BLOCK}",
        says="x",
    ),
    Case(
        "thinking closed only", "edits", f"so I will use exp\n</think>\n\nexplanation: s\n{BLOCK}", says="s"
    ),
    Case("carriage returns", "edits", f"explanation: A sine.\n{BLOCK}".replace("\n", "\r\n"), says="A sine."),
    Case("five chevrons", "edits", f"<<<<< SEARCH\n{TANH}\n=====\n{SINE}\n>>>>> REPLACE"),
    Case(
        "nine chevrons, lower case",
        "edits",
        f"<<<<<<<<< search:\n{TANH}\n=========\n{SINE}\n>>>>>>>>> replace",
    ),
    Case("smart chevrons", "edits", BLOCK.replace("<<<<<<<", "«««<").replace(">>>>>>>", "»»»>")),
    Case("merge conflict names", "edits", BLOCK.replace("SEARCH", "ORIGINAL").replace("REPLACE", "UPDATED")),
    Case("file name at the marker", "edits", BLOCK.replace("SEARCH", "SEARCH program.py")),
    Case("fences inside the block", "edits", block(f"```python\n{TANH}\n```", f"```python\n{SINE}\n```")),
    Case(
        "unclosed block in a closed fence",
        "edits",
        f"s\n```\n{BLOCK.replace('>>>>>>> REPLACE', '```')}",
        says="s",
    ),
    Case(
        "headings instead of markers",
        "edits",
        f"SEARCH:\n```python\n{TANH}\n```\nREPLACE:\n```python\n{SINE}\n```\n",
        says="SEARCH:",
    ),
    Case("tildes", "edits", f"~~~\n{BLOCK}~~~\n"),
    Case("twice the same block", "edits", BLOCK + BLOCK),
    Case("no-break spaces", "edits", BLOCK.replace("    bound", "\u00a0\u00a0\u00a0\u00a0bound")),
    # edits that only nearly fit
    Case("without indentation", "edits", BLOCK.replace("    ", "")),
    Case("too much indentation", "edits", BLOCK.replace("    bound", "            bound")),
    Case("other spacing", "edits", BLOCK.replace(TANH, "    bound=math.tanh( mean )")),
    Case("line numbers", "edits", block(f"14 | {TANH}", f"14 | {SINE}")),
    Case("line numbers in the search only", "edits", block(f"14\t{TANH}", SINE)),
    Case(
        "numbers of blank lines alone",
        "edits",
        block("14 |\n15 |\n16 |\n17 |", SINE),
        None,
        "is not in the parent",
    ),
    Case("blank lines about", "edits", block(f"\n{TANH}\n", f"{SINE}\n")),
    Case("a fragment of a line", "edits", block("math.tanh", "math.sin")),
    Case("replacement not indented", "edits", BLOCK.replace(SINE, SINE.strip())),
    Case(
        "tabs",
        "edits",
        block("\tif x > 0:\n\t\tbound = bound + 0.1", "\tif x > 0:\n\t\tbound = bound + 0.2"),
        PARENT.replace("0.1", "0.2"),
    ),
    Case(
        "a deletion",
        "edits",
        "<<<<<<< SEARCH\n    if x > 0:\n        bound = bound + 0.1\n=======\n>>>>>>> REPLACE",
        PARENT.replace("    if x > 0:\n        bound = bound + 0.1\n", ""),
    ),
    Case(
        "two blocks, the later first",
        "edits",
        block("        bound = bound + 0.1", "        bound = bound + x") + BLOCK,
        NEW.replace("bound + 0.1", "bound + x"),
    ),
    Case("the whole program instead", "edits", f"s\n```python\n{NEW}```", says="s"),
    # edits that do not
    Case("not there", "edits", BLOCK.replace("math.tanh(mean)", "math.tanh(2.0 * mean)"), None, TANH),
    Case("there twice", "edits", block("bound", "b"), None, "is not in the parent"),
    Case("the same", "edits", BLOCK.replace(SINE, TANH), None, "changes nothing"),
    Case(
        "the same but for a comment",
        "edits",
        BLOCK.replace(SINE, f"{TANH}  # better"),
        None,
        "changes nothing",
    ),
    Case("overlapping", "edits", BLOCK + BLOCK.replace("sin", "exp"), None, "overlap"),
    Case("no divider", "edits", BLOCK.replace("=======\n", ""), None, "no `=======` line"),
    Case("cut off", "edits", BLOCK.partition("    bound = math.sin")[0], None, "no `>>>>>>> REPLACE` line"),
    Case(
        "empty search", "edits", f"<<<<<<< SEARCH\n=======\n{SINE}\n>>>>>>> REPLACE", None, "SEARCH is empty"
    ),
    Case("elided", "edits", BLOCK.replace(SINE, f"    # ... existing code ...\n{SINE}"), None, "left out"),
    Case("only talk", "edits", "I would replace tanh by a sine.", None, "holds no edit"),
    Case("still thinking", "edits", f"<think>\nmaybe\n{BLOCK}", None, "still thinking"),
    Case("nothing", "edits", " \n\x00 ", None, "is empty"),
    # whole programs
    Case("fenced", "whole", f"Explanation: A sine.\n\n```python\n{NEW}```\n", says="A sine."),
    Case(
        "fence without a name, in a list",
        "whole",
        f"- s\n\n    ```\n{NEW}    ```\n".replace("\n", "\n    "),
        says="s",
    ),
    Case("never closed", "whole", f"s\n~~~py\n{NEW}", says="s"),
    Case("bare", "whole", f"The sine returns.\n\n{NEW}\nThat is all.", says="The sine returns."),
    Case(
        "the parent quoted first",
        "whole",
        f"Was:\n```python\n{PARENT}```\nNow:\n```python\n{NEW}```",
        says="Was:",
    ),
    Case("a sketch first", "whole", f"s\n```\nx = sin(x)\n```\n```python\n{NEW}```", says="s"),
    Case("numbered", "whole", f"s\n```python\n{numbered(NEW.rstrip())}\n```", says="s"),
    Case(
        "a fence for each function",
        "whole",
        "s\n```python\n" + NEW.replace("def step", "```\nand\n```python\ndef step") + "```",
        says="s",
    ),
    Case("edits instead", "whole", f"explanation: e\n{BLOCK}", says="e"),
    Case("incomplete", "whole", f"s\n```python\n{PART}```", PART, "s"),
    Case(
        "left out",
        "whole",
        "```python\n" + NEW.replace(SINE, f"    # rest of the code unchanged\n{SINE}") + "```",
        None,
        "left out",
    ),
    Case("unchanged", "whole", f"```python\n{PARENT}```", None, "changes nothing"),
    Case("prose alone", "whole", "I cannot help with that.", None, "holds no program"),
    # crossover
    Case("joined", "crossover", f"explanation: both\n```python\n{NEW}```", says="both"),
    Case("the second parent", "crossover", f"```python\n{OTHER}```", None, "changes nothing in program 2"),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.form}: {case.name}" for case in CASES])
def test_an_answer_is_read_as_it_was_meant(case: Case) -> None:
    if case.source is None:
        with pytest.raises(Unusable, match=r"(?s)^.{10,2000}$") as refusal:
            read(case.form, case.text, PARENTS, RULES)
        assert case.says in str(refusal.value)
        return
    edited = read(case.form, case.text, PARENTS, RULES)
    assert edited.source == case.source or ast.dump(ast.parse(edited.source)) == ast.dump(
        ast.parse(case.source)
    )
    assert edited.explanation == case.says
    assert edited.parents == ((0, 1) if case.form == "crossover" else (0,))


def test_the_table_has_every_form_and_both_ends() -> None:
    assert {case.form for case in CASES} == set(get_args(Form))
    assert len(CASES) >= 40
    assert check(NEW, RULES) == ()


def test_a_line_that_stands_twice_is_no_place() -> None:
    twice = PARENT.replace("    bound = math.tanh(mean)\n", "    bound = math.tanh(mean)\n" * 2)
    with pytest.raises(Unusable, match=r"stands 2 times in the parent \(lines 14, 15\)"):
        read("edits", BLOCK, [Parent("p", twice)], RULES)


def test_a_neighbour_makes_a_line_unique() -> None:
    twice = PARENT.replace("    bound = math.tanh(mean)\n", "    bound = math.tanh(mean)\n" * 2)
    text = f"<<<<<<< SEARCH\n{TANH}\n    if x > 0:\n=======\n{SINE}\n    if x > 0:\n>>>>>>> REPLACE"
    assert read("edits", text, [Parent("p", twice)], RULES).source.count("math.sin") == 1


def test_a_fragment_is_no_part_of_a_longer_name() -> None:
    for fragment in ("mea", "0.", "ath.tanh"):
        with pytest.raises(Unusable):
            read("edits", f"<<<<<<< SEARCH\n{fragment}\n=======\nabc\n>>>>>>> REPLACE", PARENTS, RULES)


def test_a_crossover_of_one_parent_draws_on_one() -> None:
    assert read("crossover", f"```\n{NEW}```", PARENTS[:1], RULES).parents == (0,)


def test_too_long_an_answer_is_refused() -> None:
    with pytest.raises(Unusable, match="at most 200000"):
        read("whole", "x" * (MOST_CHARACTERS + 1), PARENTS, RULES)


MARKS = ["<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "```python", "```", "~~~", "<think>", "</think>"]
LINES = st.one_of(
    st.sampled_from(
        [*MARKS, *PARENT.split("\n"), "explanation:", "Explanation: so", "...", "SEARCH:", "REPLACE"]
    ),
    st.text(max_size=30),
    st.sampled_from(
        ["\x00", "\ud800", "\x1b[2J", "\u202e", "\u2028", "\x85", "((((", "'''", "\\", "\t", "1 | x"]
    ),
)
ANSWERS = st.one_of(st.text(), st.lists(LINES, max_size=40).map("\n".join))


def outcome(form: Form, text: str) -> Edited | str:
    """What is read, or the words of the refusal."""
    try:
        return read(form, text, PARENTS, RULES)
    except Unusable as refusal:
        return str(refusal)


def harmless(edited: Edited, parents: Sequence[Parent]) -> None:
    """What every answer that was read holds to."""
    edited.source.encode()
    assert edited.source.endswith("\n")
    assert not {"\x00", "\x1b", "\r", "\u202e"} & set(edited.source)
    assert edited.source.strip() not in {parent.source.strip() for parent in parents}
    line = edited.explanation
    assert len(line) <= 300
    assert line.isprintable()
    assert line == line.strip()
    assert not any(mark in line for mark in ("```", "~~~", "<<<<<", ">>>>>", "====="))


@pytest.mark.heavy
@given(ANSWERS, st.sampled_from(get_args(Form)))
@settings(max_examples=600)
@example("<<<<<<< SEARCH\n<<<<<<< SEARCH\n=======\n=======\n>>>>>>> REPLACE\n>>>>>>> REPLACE", "edits")
@example("```\n" + "(" * 7_000 + "\n```", "whole")
@example("```\n" + "-" * 7_000 + "1\n```", "whole")
@example("```\n" + "x." * 3_000 + "x\n```", "whole")
@example("```\n\x00\n```", "whole")
@example("```\n'\ud800'\n```", "whole")
def test_no_text_does_more_than_be_unusable(text: str, form: Form) -> None:
    found = outcome(form, text)
    if isinstance(found, Edited):
        harmless(found, PARENTS)
    else:
        assert 10 <= len(found) < 3_000
        found.encode()


HUGE = 190_000


@pytest.mark.heavy
@pytest.mark.parametrize(
    "unit",
    [
        "\n", " ", "`", "```\n", "<<<<<<< SEARCH\n", BLOCK, "a", "(", "<think>", "</think>\n", "\x1b[",
        "\x1b]0;", "explanation", "# rest ", "...\n", "<<<<<<< SEARCH\n    \n=======\n", f"{TANH}\n",
        "=======\n", "1|", "\u00a0", "SEARCH\n```\nx\n```\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("head", ["", "```python\n", "<<<<<<< SEARCH\n", "<<<<<<< SEARCH\nx\n=======\n"])
def test_huge_answers_end(unit: str, head: str) -> None:
    """That these come back at all is the test: repetition is what makes careless patterns take for ever."""
    text = head + unit * ((HUGE - len(head)) // len(unit))
    for form in ("edits", "whole"):
        found = outcome(form, text)
        if isinstance(found, Edited):
            harmless(found, PARENTS)
        else:
            assert len(found) < 3_000


@given(st.data())
@settings(max_examples=150)
def test_what_is_copied_and_changed_is_applied_exactly(data: st.DataObject) -> None:
    """Any lines of the parent, replaced by any others, give the text that slicing gives."""
    lines = PARENT.rstrip("\n").split("\n")
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start + 1, len(lines)))
    old = lines[start:end]
    new = data.draw(st.lists(st.sampled_from([*lines, "    y = 2", "        z = x", "w = 1"]), max_size=4))
    spelled = ["".join(line.split()) for line in lines if line.strip()]
    wanted = ["".join(line.split()) for line in old if line.strip()]
    places = [n for n in range(len(spelled)) if spelled[n : n + len(wanted)] == wanted]
    text = "\n".join(["<<<<<<< SEARCH", *old, "=======", *new, ">>>>>>> REPLACE"])
    found = outcome("edits", text)
    if isinstance(found, str):
        assert not wanted or len(places) > 1 or "changes nothing" in found
        return
    assert len(places) == 1
    expected = "".join("".join([*lines[:start], *new, *lines[end:]]).split())
    assert "".join(found.source.split()) == expected
