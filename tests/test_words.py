"""One word for one thing: words that we gave up name nothing any more, in code, files, messages or docs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("engine", "population", "kernels", "evaluators", "tests", "docs", "examples")
KINDS = {".py", ".md", ".toml", ".svg", ".jinja"}
FILES = sorted(
    [
        *(path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.suffix in KINDS),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")),
    ]
)
ALLOWED = {
    "tests/test_words.py": "this list",
    "population/archive/schema.py": "released steps are never edited, and the last one translates old words",
    "tests/population/archive/test_schema.py": "it reads archives of old steps",
    "tests/engine/config/test_config.py": "it writes keys of an earlier release",
    "engine/config/config.py": "it tells keys of an earlier release what they are called now",
    "engine/propose/llm/prompts/user.md": "recorded runs were asked with it: its filters keep their names",
}
"""Files that may hold old words, and why. Stored runs are archives and are not read here."""


@dataclass(frozen=True)
class Word:
    """What is looked for in texts, what it is called now, and why.

    `files` is looked for in file names. Only files whose path begins with one of `under` are looked at.
    """

    pattern: str
    now: str
    why: str
    files: str = ""
    under: tuple[str, ...] = ("",)


def word(plain: str) -> str:
    """A pattern of this word and its plural as a word of a sentence or a part of a name."""
    return rf"(?:(?<![A-Za-z]){plain}|{plain[0].upper()}{plain[1:]})s?(?![a-z])"


def module(names: str) -> str:
    """A pattern of an import of one of these modules of ours, or of their files."""
    one = rf"(?:{names})"
    return rf"from \.+[\w.]*\b{one} import|from \.+[\w.]* import {one}$|recevolve[\w.]*\.{one}\b|/{one}\.py"


WORDS = (
    Word(
        r"(?<![A-Za-z_.\"'])[Ww]alls?(?![A-Za-z_\"']|[- ]clock|[- ]time| ms)",
        "sandbox",
        "the field's word; `wall clock` and seconds of it stay",
        files=r"(?:^|_)walls?(?:_|\.)",
    ),
    Word(
        r"(?<!population\.)" + word("birth") + r"(?!\W{1,3}(?:=|int\b|\d))(?<!`births)(?<!\"births)",
        "evaluation",
        "a program that was judged; the config key population.births stays",
        files=r"births?\.",
    ),
    Word(word("fate"), "evaluation", "what became of a candidate is its evaluation", files=r"fate"),
    Word(word("twin"), "duplicate", "equal by syntax or by behaviour", files=r"twin"),
    Word(word("meeting"), "promotion round", "islands do not meet: programs are promoted", files=r"meeting"),
    Word(word("arena"), "training setup", "a log, a model and their settings", files=r"arena"),
    Word(word("yardstick"), "reference cost", "what is measured beside, to compare with", files=r"yardstick"),
    Word(
        r"(?<!of )" + word("course") + "(?! of)", "training run", "one training to its end", files=r"course"
    ),
    Word(word("heat"), "rung result", "what a rung of the race found", under=("evaluators/optimizer",)),
    Word(r"\bBehind\b(?=[(\])\":,.]|$)", "SandboxedLayer", "a layer whose code runs in a sandbox"),
    Word(
        r"inheritance|(?<![a-z])inherit(?:ed|_\w+)?(?![a-z])",
        "warm start",
        "what an earlier run gives to a later one",
        files=r"inherit",
        under=("engine", "population", "docs", "examples", "tests/engine", "tests/population", "README"),
    ),
    Word(r"[Kk]nock(?:ed)?[-_ ]?out", "ablation", "undoing one edit to see what it does", files=r"knock"),
    Word(
        r"\bdef worth\b|\bworth\(|\.worth\b|[\"`]worth[\"`]|\bworth\b(?=\s*[:=][^=])|\bworth_|_worth\b",
        "credit",
        "what a proposal earned its proposer",
    ),
    Word(word("purse"), "cost cap", "it holds no money: it limits what is spent", files=r"purse"),
    Word(
        module("line|library")
        + r"|\bclass (?:Line|Library)\b|(?:breaker|loader) import .*\b(?:Line|Library)\b",
        "circuit breaker, litellm loader",
        "in propose/llm",
        under=("engine",),
    ),
    Word(
        module("fences?") + r"|\bdef fence|\bfences?\(|\bimport .*\bfences?\b",
        "code blocks, sanitize",
        "text of others in a prompt",
        files=r"fence",
    ),
    Word(
        module("structures?") + r"|\bstructures?\(",
        "skeleton",
        "a program without its numbers",
        under=("engine",),
    ),
    Word(
        module("place|ending"),
        "run dir, exit codes",
        "in engine/config and engine/cli",
        under=("engine", "docs"),
    ),
    Word(
        word("draft"),
        "changes (of an experiment), tree (of a program)",
        "two things had one name",
        files=r"draft",
    ),
    Word(
        module("arms"), "assemble", "what a run proposes with; an arm belongs to the bandit", files=r"^arms\."
    ),
    Word(r"\bhanding\b", "reference", "a layer that is handed over as the next operator", files=r"handing"),
    Word(module("outside|orders|hunks|delta|births|slots"), "see docs/ARCHITECTURE.md", "files were renamed"),
    Word(r"recevolve admit\b|online serve\b", "nothing", "commands that are gone"),
    Word(
        r"Whom a meeting|A statement gone:|Not the same for everything\.",
        "a plain sentence",
        "a docstring says what comes back",
    ),
)


def old(path: Path) -> Iterator[str]:
    """The old words of a file: where, what, and what it is called now."""
    name = str(path.relative_to(ROOT))
    text = path.read_text(encoding="utf-8")
    for each in (one for one in WORDS if name.startswith(one.under)):
        if each.files and re.search(each.files, path.name):
            yield f"{name}: its name; now: {each.now} ({each.why})"
        for found in re.finditer(each.pattern, text, re.MULTILINE):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{name}:{line}: {found[0]!r}; now: {each.now} ({each.why})"


def test_old_words_name_nothing() -> None:
    found = [one for path in FILES if str(path.relative_to(ROOT)) not in ALLOWED for one in old(path)]
    assert not found, f"{len(found)} old words:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("line", "now"),
    [
        ("behind the wall", "sandbox"),
        ("def birth_of(row):", "evaluation"),
        ("class Birth:", "evaluation"),
        ('"births": births_of(x)', "evaluation"),
        ("its twins", "duplicate"),
        ("TwinBySyntax", "duplicate"),
        ("a knock-out", "ablation"),
        ("knockout_on = 2", "ablation"),
        ("self.worth = 1", "credit"),
        ("from .llm.line import Line", "circuit breaker, litellm loader"),
        ("at_meetings", "promotion round"),
    ],
)
def test_an_old_word_is_seen(line: str, now: str) -> None:
    assert now in {each.now for each in WORDS if re.search(each.pattern, line)}


@pytest.mark.parametrize(
    "line",
    [
        "wall clock, wall-clock and wall_seconds, timings['wall']",
        "a line of text, of course, takes place",
        "what it is worth, and worth trying",
        "births = 12",
        "population.births",
        "behind a proxy, a library of the system",
        "the arms of the bandit; the control arm",
        "firewall, birthday, resource, enlightenment",
    ],
)
def test_ordinary_english_stays(line: str) -> None:
    assert [each.now for each in WORDS if re.search(each.pattern, line)] == []
