"""The documentation says what the code says, and its examples run."""

import ast
import importlib
import importlib.util
import re
import shlex
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from recevolve.engine.cli import exit_codes
from recevolve.engine.cli.main import app
from recevolve.engine.config.config import parse
from recevolve.evaluators.data.catalogue import LOADERS
from recevolve.evaluators.data.schema import Schema
from recevolve.evaluators.kinds import registry
from recevolve.population.archive.schema import migrate

from .engine.toy_runs import command

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)\s]+)\)")
OPTION = re.compile(r"`(-{1,2}[a-zA-Z][a-z-]*)")
PLACE = re.compile(r"`((?:engine|population|evaluators|kernels|tests|docs|examples|src)/[\w./-]*)`")
HEADING = re.compile(r"^#+ (?P<words>.+)$", re.MULTILINE)
RUNNABLE = {"sqlite-utils": ["-m", "sqlite_utils"], "python": []}
"""What a `console` block may call beside `recevolve`, and how this Python does it."""

TOY = """
kind = "toy"
run_dir = "{run_dir}"
tasks = ["{tasks}"]
seeds = ["flat", "line"]
population = {{ islands = 1, size = 6, births = 6 }}
budget = {{ generations = 2 }}
north_star = {{ every = 2, slots = 2, folds = 3 }}
executor = {{ workers = 1 }}
"""


def text_of(name: str) -> str:
    """A page of docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(text: str, *languages: str) -> list[str]:
    """The code blocks of these languages."""
    return [found["body"] for found in BLOCK.finditer(text) if found["language"] in languages]


def sections(text: str, level: str) -> dict[str, str]:
    """The text under each heading of this level, by the heading's words without backticks."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)[1:]
    return {words.replace("`", ""): part for words, part in zip(parts[::2], parts[1::2], strict=True)}


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = BLOCK.sub("", text)
    words = (found["words"].lower() for found in HEADING.finditer(plain))
    return {re.sub(r"[^\w\- ]", "", each).replace(" ", "-") for each in words}


def script(name: str) -> ModuleType:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    """docs/tables.py as a module."""
    return script("tables")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tables_are_those_of_the_code(page: Path, tables: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    assert tables.written(text) == text, "run: python docs/tables.py"


def test_every_table_stands_somewhere(tables: ModuleType) -> None:
    shown = {name for page in PAGES for name in re.findall(r"<!-- table: ([\w.-]+) -->", page.read_text())}
    assert shown == set(tables.TABLES)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for found in LINK.finditer(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        target, _, anchor = found["target"].partition("#")
        if "://" in target:
            continue
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(place.read_text(encoding="utf-8")), f"{page.name}: {found['target']}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_named_are_there(page: Path) -> None:
    for place in PLACE.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / place).exists(), f"{page.name} names {place}"


def test_the_readme_stays_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= 120


def test_the_glossary_stays_short_and_names_every_kind() -> None:
    words = sections(text_of("concepts.md"), "##")["Words"]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", words, re.MULTILINE)[2:]
    assert 1 < len(rows) <= 15
    meaning = dict(rows)["kind"]
    built_in = {path.parent.name for path in (ROOT / "evaluators").glob("*/task.py")} - {"kinds"}
    assert built_in <= set(re.findall(r"`(\w+)`", meaning))


def test_every_page_is_on_the_map() -> None:
    linked = {found["target"] for found in LINK.finditer(text_of("index.md"))}
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= linked


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_toml_blocks_are_configs(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "toml"):
        raw: dict[str, Any] = {"kind": "optimizer", "run_dir": "runs/x"} | tomllib.loads(block)
        config = parse(raw)
        if config.kind in registry.kinds():
            registry.find(config.kind).settings.model_validate(config.settings)
        if config.data.source in LOADERS:
            further = config.data.table().keys() - {"source", "split"}
            assert further <= LOADERS[config.data.source][1].keys()
        if config.kind == "optimizer" and (schema := config.data.table().get("schema")):
            Schema.from_table(schema)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_blocks_compile(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "python"):
        assert compile(block, page.name, "exec").co_filename == page.name


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_python_blocks_import_from_us_is_there(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("recevolve"):
                for alias in node.names:
                    found = importlib.import_module(str(node.module))
                    assert hasattr(found, alias.name) or importlib.util.find_spec(
                        f"{node.module}.{alias.name}"
                    )


def test_the_picture_of_the_layers_is_that_of_the_code() -> None:
    drawn = script("architecture").picture()
    assert (DOCS / "architecture.svg").read_text(encoding="utf-8") == drawn, (
        "run: python docs/architecture.py"
    )
    for layer in ("cli", "north_star", "sandbox", "archive", "interpreter"):
        assert f">{layer}</text>" in drawn


def test_the_picture_of_a_run_shows_its_candidates_and_its_elites(tmp_path: Path) -> None:
    (tmp_path / "toy.toml").write_text(TOY.format(run_dir=tmp_path / "run", tasks=ROOT / "tests" / "toy"))
    run(f"recevolve run {tmp_path / 'toy.toml'}", tmp_path)
    progress = script("progress")
    generations = progress.candidates(tmp_path / "run")
    assert [len(part) for part in generations] == [2, 6, 6]
    drawn = progress.svg(tmp_path / "run")
    assert drawn == progress.svg(tmp_path / "run")
    assert all(words in drawn for words in ("best so far", "production", "an elite"))


def commands() -> dict[str, set[str]]:
    """Every command of the program, and its options."""

    def walk(command: Any, name: str) -> Iterator[tuple[str, set[str]]]:
        for key, child in getattr(command, "commands", {}).items():
            yield from walk(child, f"{name} {key}")
        if not hasattr(command, "commands"):
            options = (param.opts for param in command.params if param.param_type_name == "option")
            yield name, {option for opts in options for option in opts}

    return dict(walk(typer.main.get_command(app), "recevolve"))


def test_every_command_has_its_section_and_no_other_is_there() -> None:
    assert {words for words in sections(text_of("cli.md"), "##") if words.startswith("recevolve")} == set(
        commands()
    )


@pytest.mark.parametrize("command", commands())
def test_a_section_names_the_options_of_its_command(command: str) -> None:
    section = sections(text_of("cli.md"), "##")[command]
    named = set(OPTION.findall(section))
    assert named - {"-h", "--help"} == commands()[command], section
    assert blocks(section, "console"), f"{command} has no example"


def test_exit_codes_are_those_of_the_code() -> None:
    words = set(re.findall(r"`(\d+)`", text_of("cli.md").partition("## Exit codes")[2]))
    codes = {0, 1, 130, 143, exit_codes.USAGE, exit_codes.ENVIRONMENT, exit_codes.DATA, exit_codes.DISAGREED}
    assert words == {str(code) for code in codes}


def test_every_table_and_column_of_the_archive_is_explained() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, 0, lambda: 0.0)
    made = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    explained = sections(text_of("archive.md"), "###")
    assert set(made) <= set(explained)
    for name in made:
        for _, column, *_ in connection.execute(f"PRAGMA table_info({name})"):
            assert f"`{column}`" in explained[name], f"{name}.{column}"
    connection.close()


def test_every_key_of_the_data_table_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", text_of("data.md"), re.MULTILINE)
    keys = {key for _, options in LOADERS.values() for key in options}
    assert keys | set(Schema.__dataclass_fields__) <= set(rows)


@pytest.mark.parametrize(
    "name", ["cli.md", "archive.md", "data.md", "extending.md", "online.md", "alignment.md", "launches.md"]
)
def test_a_page_can_be_followed_to_its_end(name: str, tmp_path: Path) -> None:
    """Blocks that begin with `# NAME.ext` are files; `console` blocks run in order, all to a good end."""
    for part in ("tests", "evaluators", "examples"):
        (tmp_path / part).symlink_to(ROOT / part)
    text = text_of(name)
    for block in blocks(text, "toml", "python"):
        if found := re.match(r"# ([\w./]+\.(?:py|toml))\n", block):
            path = tmp_path / found[1]
            path.parent.mkdir(exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(block)
    for line in "".join(blocks(text, "console")).splitlines():
        if line.startswith("$ "):
            run(line.removeprefix("$ "), tmp_path)


def run(line: str, folder: Path) -> None:
    """Runs a line of a console block: `recevolve` or one of RUNNABLE, and it must end well."""
    program, *arguments = shlex.split(line)
    if program == "recevolve":
        done = command(*arguments, cwd=folder)
    else:
        started = [sys.executable, *RUNNABLE[program], *arguments]
        done = subprocess.run(started, capture_output=True, text=True, timeout=120, cwd=folder, check=False)
    assert done.returncode == 0, (line, done.stdout[-2_000:], done.stderr[-2_000:])
