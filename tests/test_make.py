"""Every `make TARGET` that README and CONTRIBUTING name has work to do; a slow test runs those of README."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MENTION = re.compile(r"^\$? ?make ([a-z][\w-]*)|`make ([a-z][\w-]*)`", re.MULTILINE)


def mentioned(page: str) -> list[str]:
    """The targets that a page names, each once, in its order."""
    found = MENTION.findall((ROOT / page).read_text(encoding="utf-8"))
    return list(dict.fromkeys(line or word for line, word in found))


def asked(target: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """What make says of a target, given this environment as it is."""
    environment = ROOT / ".venv"
    made = (
        f"VENV={environment}",
        f"--old-file={environment}/ready",
        f"--old-file={environment}/triton/ready",
    )
    line = ["make", "-f", str(ROOT / "Makefile"), *made, *options, target]
    return subprocess.run(line, env=os.environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_target_that_a_page_names_has_a_recipe(page: str) -> None:
    assert {"README.md": "demo", "CONTRIBUTING.md": "check"}[page] in mentioned(page)
    for target in mentioned(page):
        shown = asked(target, "--dry-run", "--directory", str(ROOT))
        assert shown.returncode == 0, shown.stderr
        assert "Nothing to be done" not in shown.stdout


def test_every_example_has_a_target() -> None:
    for example in (ROOT / "examples").glob("*.toml"):
        shown = asked(example.stem, "--dry-run", "--directory", str(ROOT))
        assert f"recevolve run examples/{example.name}" in shown.stdout


@pytest.mark.parametrize("target", ["environment", "second-triton", "real", "oracles", "lock"])
def test_nothing_is_installed_but_what_a_lock_file_names(target: str) -> None:
    shown = asked(target, "VENV=absent", "--dry-run", "--directory", str(ROOT))
    installs = [line for line in shown.stdout.splitlines() if "pip install" in line]
    assert installs
    for line in installs:
        assert "--no-deps" in line
        locked = "--require-hashes --only-binary :all:" in line
        assert locked or line.endswith("--no-build-isolation --editable ."), line


RECEVOLVE = """#!/bin/sh
echo "$@" >> "$0.log"
case "$1 $3" in "status --json") cat "$0.json" ;; esac
"""
PYTHON = """#!/bin/sh
case "$1" in -m) echo "pytest" >> "$(dirname "$0")/recevolve.log" ;; *) exec REAL "$@" ;; esac
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("decision", "program"),
    [("launch", "1a2b"), ("switch", "adam"), ("keep", "adagrad"), ("undecided", None)],
)
def test_an_example_ends_well_whatever_its_run_decides(
    decision: str, program: str | None, tmp_path: Path
) -> None:
    """With a recevolve that only writes down what it is asked."""
    for name, text in (("recevolve", RECEVOLVE), ("python", PYTHON.replace("REAL", sys.executable))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    told = {"decision": {"decision": decision, "program": program}}
    (tmp_path / "recevolve.json").write_text(json.dumps(told))
    done = asked("optimizer", f"BIN={tmp_path}", "--directory", str(ROOT), "--old-file=runs/optimizer")
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "recevolve.log").read_text().splitlines()
    exported = [line for line in log if line.startswith("export")]
    if decision in ("launch", "switch"):
        assert exported == [f"export runs/optimizer {program} -o runs/optimizer/patch"]
        assert log[-1] == "pytest"
    else:
        assert not exported
        assert "Nothing to export" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("target", [one for one in mentioned("README.md") if one != "environment"])
def test_every_target_of_the_readme_ends_well(target: str, tmp_path: Path) -> None:
    """Up to a quarter of an hour each; in a folder of its own, with this environment."""
    for name in ("examples", "requirements", "pyproject.toml", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = asked(target, "--directory", str(tmp_path))
    assert done.returncode == 0, (done.stdout[-2_000:], done.stderr[-2_000:])
    assert list((tmp_path / "runs").glob("*/archive.db"))
