"""The registry finds built-in, installed and local kinds, and says what is wrong with others."""

import subprocess
import sys
from pathlib import Path

import pytest

from recevolve.evaluators.kinds.registry import BadTask, UnknownKind, find, kinds
from recevolve.evaluators.kinds.task import Task

LOCAL = """
from dataclasses import replace
from recevolve.evaluators.optimizer.task import TASK as BASE
from .words import SUMMARY
TASK = replace(BASE, kind={kind!r}, summary=SUMMARY)
"""


def folder(path: Path, kind: str, summary: str = "mine") -> Path:
    path.mkdir()
    (path / "task.py").write_text(LOCAL.format(kind=kind))
    (path / "words.py").write_text(f"SUMMARY = {summary!r}\n")
    return path


def test_built_in_kinds_are_found_by_their_folder() -> None:
    assert "optimizer" in kinds()
    assert {find(kind).kind for kind in kinds()} == set(kinds())


def test_an_unknown_kind_names_the_nearest_and_all() -> None:
    with pytest.raises(UnknownKind, match=r"'optimiser' \(did you mean 'optimizer'\?\).*optimizer"):
        find("optimiser")


def test_a_folder_of_the_user_is_a_kind_with_relative_imports(tmp_path: Path) -> None:
    task = find("mine", [str(folder(tmp_path / "a", "mine", "from a folder"))])
    assert (task.kind, task.summary) == ("mine", "from a folder")


def test_two_folders_of_one_name_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    paths = [
        folder(tmp_path / "x" / "kind", "one", "first"),
        folder(tmp_path / "y" / "kind", "two", "second"),
    ]
    assert (find("one", paths).summary, find("two", paths).summary) == ("first", "second")


def test_the_users_folder_goes_before_a_built_in_kind(tmp_path: Path) -> None:
    assert find("optimizer", [folder(tmp_path / "a", "optimizer", "own")]).summary == "own"


def test_a_kind_of_a_folder_is_listed_when_another_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(UnknownKind, match=", mine, optimizer"):
        find("nothing", [folder(tmp_path / "a", "mine")])


def test_a_folder_without_a_task_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadTask, match=r"a folder with a task\.py"):
        find("optimizer", [tmp_path / "missing"])
    (tmp_path / "task.py").write_text("TASK = 'optimizer'\n")
    with pytest.raises(BadTask, match=r"task\.py must hold a Task, got str"):
        find("optimizer", [tmp_path])


MISTAKES = """
from dataclasses import replace
from pydantic import BaseModel
from recevolve.evaluators.language.vocabulary import Idiom, Operator
from recevolve.evaluators.optimizer.task import TASK as BASE

class Settings(BaseModel):
    users: int

words = BASE.vocabulary
TASK = replace(
    BASE, kind="mine", metrics={}, settings=Settings,
    vocabulary=replace(
        words,
        layout=replace(words.layout, function="updat"),
        operators=(Operator("torch.sqrtt({0})", ("array",), "tensor", "take the root of"), *words.operators),
        idioms=(Idiom("odd", "round {0}", ("tensor",), "torch.roundd({0})"), *words.idioms),
    ),
)
"""


def test_what_no_search_could_use_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(MISTAKES)
    with pytest.raises(BadTask) as refused:
        find("mine", [tmp_path])
    wrong = str(refused.value).replace(f"TASK of {tmp_path.resolve()}/task.py: ", "").splitlines()
    assert wrong == [
        "metrics is empty: name what the north star returns, the deciding metric first",
        "settings: users needs a default",
        "vocabulary.layout.function: rules.functions has init, update, not updat",
        "torch.sqrtt({0}): no type is called array; there is tensor, scalar, int, bool, matrix, cube",
        "torch.sqrtt({0}): rules.modules does not allow torch.sqrtt",
        "torch.roundd({0}): rules.modules does not allow torch.roundd",
    ]


def test_an_installed_package_brings_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "brought-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[recevolve.tasks]\nbrought = brought_kind:TASK\nbad = brought_kind:BAD\n"
    )
    (tmp_path / "brought_kind.py").write_text(
        "from dataclasses import replace\nfrom recevolve.evaluators.optimizer.task import TASK as BASE\n"
        "TASK = replace(BASE, kind='brought')\nBAD = 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "brought" in kinds()
    assert isinstance(find("brought"), Task)
    with pytest.raises(BadTask, match=r"bad = brought_kind:BAD must hold a Task, got int"):
        find("bad")


def test_finding_a_kind_loads_nothing_heavy_but_the_operators_of_kernels() -> None:
    code = (
        "import sys\nfrom recevolve.evaluators.kinds.registry import find, kinds\n"
        "heavy = {'torch', 'hypothesis', 'triton', 'polars', 'scipy'}\n"
        "for kind in sorted(kinds(), key=lambda kind: kind == 'kernel'):\n"
        "    find(kind)\n    print(kind, sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *others, kernel = run.stdout.splitlines()
    assert len(others) >= 3
    assert all(line.endswith(" []") for line in others), others
    assert kernel == "kernel ['torch']"  # an operator is a function of tensors
