"""The house keeps its shape: arrows point one way, four roots stay bare, files stay readable."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("engine", "population", "kernels", "evaluators")
MAY_IMPORT = {
    "population": set(),
    "kernels": set(),
    "evaluators": {"population", "kernels"},
    "engine": {"population", "kernels", "evaluators"},
}
FILES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]


def imported_parts(path: Path, root: Path = ROOT) -> set[str]:
    """The parts of the house that a file imports, itself left out."""
    package = path.relative_to(root).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            target = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            names = [target[0]] if target[0] else [alias.name for alias in node.names]
            found.update(names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(_part_of(node.module))
        elif isinstance(node, ast.Import):
            found.update(_part_of(alias.name) for alias in node.names)
    return (found & set(PARTS)) - {package[0]}


def _part_of(module: str) -> str:
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == "recevolve" else ""


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_follow_the_arrows(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0]
    wrong = imported_parts(path) - MAY_IMPORT[part]
    assert not wrong, (
        f"{part} may import {sorted(MAY_IMPORT[part]) or 'nothing of ours'}, not {sorted(wrong)}"
    )


def test_the_guard_sees_every_way_to_import(tmp_path: Path) -> None:
    probe = tmp_path / "population" / "probe.py"
    probe.parent.mkdir()
    probe.write_text(
        "from ..engine import search\nfrom .. import kernels\nfrom .program import Program\n"
        "import recevolve.evaluators.kinds.task\n"
    )
    assert imported_parts(probe, tmp_path) == {"engine", "evaluators", "kernels"}


@pytest.mark.parametrize("part", PARTS)
def test_root_folders_are_no_packages_of_their_own(part: str) -> None:
    assert not (ROOT / part / "__init__.py").exists(), f"a bare `{part}` package would break other software"
    assert (ROOT / "src" / "recevolve" / part).resolve() == ROOT / part


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_files_fit_a_reader(path: Path) -> None:
    assert path.read_text().count("\n") <= 400


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_no_broad_except(path: Path) -> None:
    if "cheats" in path.parts:
        return
    broad = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not broad


def test_tests_of_the_house_mention_no_machine() -> None:
    pattern = re.compile(r"/(?:root|home/[a-z]+)/")
    guilty = [name for name, path in zip(NAMES, FILES, strict=True) if pattern.search(path.read_text())]
    assert not guilty
