"""The house keeps its shape: roots stay bare, files stay readable, errors stay named, tests say something.

Which part imports which is held by import-linter: `lint-imports`, with the contracts in pyproject.toml.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("engine", "population", "kernels", "evaluators")
FILES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LINES, MODULES, MODULES_OF_ENGINE = 400, 16, 3
LISTS = {"seeds", "programs"}
"""Folders that list programs: one more is no harder to read."""
PLACES = 8
CLAIMS = re.compile(r"raises|warns|fail|assert_\w+|opcheck")
"""What a test may call, other than `assert`, to say what must hold."""


def name(path: Path) -> str:
    """The path within the repository."""
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file."""
    return tuple(ast.walk(parsed(path)))


@pytest.mark.parametrize("part", PARTS)
def test_root_folders_are_no_packages_of_their_own(part: str) -> None:
    assert not (ROOT / part / "__init__.py").exists(), f"a bare `{part}` package would break other software"
    assert (ROOT / "src" / "recevolve" / part).resolve() == ROOT / part


def test_files_fit_a_reader() -> None:
    lengths = {name(path): path.read_text(encoding="utf-8").count("\n") for path in FILES}
    long = {each: length for each, length in lengths.items() if length > LINES}
    assert not long, f"a file has at most {LINES} lines: split these where two things meet"


def test_folders_fit_a_reader() -> None:
    modules = Counter(
        path.parent for path in FILES if path.name != "__init__.py" and not LISTS & set(path.parts)
    )
    crowded = {name(folder): count for folder, count in modules.items() if count > MODULES}
    assert not crowded, f"a folder has at most {MODULES} modules: find the folder that is missing"
    assert modules[ROOT / "engine"] <= MODULES_OF_ENGINE, "what is new in engine/ belongs to a layer"


def test_every_except_names_its_error() -> None:
    bare = [
        f"{name(path)}:{node.lineno}"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not bare


def test_nothing_is_built_from_more_than_eight_places() -> None:
    long = [
        f"{name(path)}:{node.lineno} {ast.unparse(node.func)}"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Call) and len(node.args) > PLACES
        for word in [ast.unparse(node.func).rpartition(".")[2]]
        if word[:1].isupper()
    ]
    assert not long, f"more than {PLACES} values by their place are mixed up unseen: name them"


def test_no_path_of_a_machine_is_written_down() -> None:
    pattern = re.compile(r"/(?:root|home/[a-z]+)/")
    guilty = [name(path) for path in FILES if pattern.search(path.read_text(encoding="utf-8"))]
    assert not guilty


def called(node: ast.AST) -> Iterator[str]:
    """The names of what is called in a piece of code, the last part of each."""
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Name(id=word) | ast.Attribute(attr=word)):
                yield word


def claims(function: ast.AST) -> bool:
    """Whether the function's own text says what must hold."""
    plain = any(isinstance(node, ast.Assert) for node in ast.walk(function))
    return plain or any(CLAIMS.fullmatch(word) for word in called(function))


def test_every_test_can_fail() -> None:
    silent = []
    for path in TESTS:
        functions = {node.name: node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)}
        claiming = {word for word, node in functions.items() if claims(node)}
        silent += [
            f"{name(path)}:{node.lineno} {word}"
            for word, node in functions.items()
            if word.startswith("test_") and word not in claiming and not claiming & set(called(node))
        ]
    assert not silent, "a test that asserts nothing passes whenever nothing raises: say what must hold"
