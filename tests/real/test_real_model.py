"""A real model drives a whole search: what share of its answers becomes programs, with a grammar and without.

`make real` runs it and prints the table. What is asserted holds for any model; what SmolLM2-135M makes of it
is only shown.
"""

import ast
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.llm.answers.answers import Unusable, read
from recevolve.evaluators.language import static

from ..engine.toy_runs import command, config_file
from ..toy.task import RULES
from . import server

pytestmark = pytest.mark.slow

ISLANDS, BIRTHS, GENERATIONS = 2, 6, 3
COLUMNS = ("asked", "right form", "Python", "changed", "allowed", "scored", "improving", "repaired")
SECONDS = 200.0
"""After which a search on a slow machine starts no further generation."""


@dataclass
class Shares:
    """How far the first answers to `asked` questions came, and what the search made of them.

    `form`: an edit that applies. `python`: the program parses. `changed`: to another syntax tree. `allowed`:
    within the kind's rules. `scored`: new and judged, after a repair where one was needed; `improving`:
    better than its parent at the same stage. `repaired`: made good by the second answer.
    """

    asked: int = 0
    form: int = 0
    python: int = 0
    changed: int = 0
    allowed: int = 0
    scored: int = 0
    improving: int = 0
    repaired: int = 0

    def look(self, text: str, parent: str) -> None:
        """Counts a first answer about this parent."""
        self.asked += 1
        try:
            source = read("edits", text, (Parent("", parent),), RULES).source
        except Unusable as unusable:
            # an edit that applies and says what stands there already
            same = "changes nothing" in str(unusable)
            self.form += same
            self.python += same
            return
        self.form += 1
        try:
            ast.parse(source)
        except SyntaxError:
            return
        self.python += 1
        self.changed += 1
        self.allowed += not static.check(source, RULES)

    def cells(self) -> Iterator[str]:
        """One for each of COLUMNS."""
        yield str(self.asked)
        for name in ("form", "python", "changed", "allowed", "scored", "improving", "repaired"):
            yield f"{getattr(self, name) / self.asked:.0%}"


def shares(path: Path) -> Shares:
    """What the archive says of its model's answers."""
    found = Shares()
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT json_extract(call, '$.sample'), json_extract(value, '$.text') FROM ledger"
            " WHERE json_extract(call, '$.stage') = 'model'"
        ).fetchall()
        first = {sample.removesuffix("/0"): text for sample, text in rows if sample.endswith("/0")}
        evaluations = connection.execute(
            """
            SELECT one.island || '/' || one.generation || '/' || one.slot, before.source, one.outcome,
                one.score IS NOT NULL AND one.duplicate_of IS NULL,
                one.score > (SELECT max(score) FROM evaluations AS up WHERE up.stage = one.stage
                    AND up.program = json_extract(one.parents, '$[0]') AND up.generation < one.generation)
            FROM evaluations AS one JOIN programs AS before ON before.id = json_extract(one.parents, '$[0]')
            WHERE one.generation > 0
            """
        ).fetchall()
    for place, parent, outcome, scored, improving in evaluations:
        found.look(first.get(place) or "", parent)
        found.scored += scored
        found.improving += bool(scored and improving)
        found.repaired += outcome == "repaired"
    return found


def searched(folder: Path, base: str, grammar: bool) -> Path:
    """The archive of a toy search whose every proposal is the model's."""
    model = {"name": "openai/smollm2", "api_base": base, "grammar": grammar, "forms": ["edits"]}
    limits = {"max_tokens": 200, "context": 4096, "concurrency": 2, "temperature": 0.8}
    folder.mkdir()
    path = config_file(
        folder,
        population={"islands": ISLANDS, "size": 8, "births": BIRTHS, "migrate_every": 2},
        propose={
            "mixture": {"models": 1.0},
            "models": [{**model, **limits}],
            "lessons_every": 0,
            "journal_tokens": 300,
            "journal_entries": 8,
            "novelty": 0.0,
        },
        budget={"generations": GENERATIONS, "seconds": SECONDS},
    )
    done = command("run", path, timeout=2 * SECONDS)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_a_real_model_searches_with_a_grammar_and_without(tmp_path: Path) -> None:
    runs = {}
    try:
        with server.serving(tmp_path / "server.log") as base:
            for name, grammar in (("with grammar", True), ("without", False)):
                runs[name] = searched(tmp_path / name.replace(" ", "_"), base, grammar)
    except server.Unavailable as reason:
        pytest.skip(str(reason))
    found = {name: shares(run / "archive.db") for name, run in runs.items()}
    table = Table("SmolLM2-135M", *COLUMNS, box=None)
    for name, one in found.items():
        table.add_row(name, *one.cells())
    Console(width=120).print(table)
    for run in runs.values():
        # the server is gone by now
        replayed = command("replay", run)
        assert replayed.returncode == 0, replayed.stderr
        spent = json.loads(command("status", run, "--json").stdout)
        print(spent["proposers"])
    bound, free = found["with grammar"], found["without"]
    assert min(bound.asked, free.asked) >= ISLANDS * BIRTHS
    assert bound.form >= 0.9 * bound.asked, "a grammar leaves a model no other form"
    assert bound.form / bound.asked >= free.form / free.asked
    assert bound.scored > 0
