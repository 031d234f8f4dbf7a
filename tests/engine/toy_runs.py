"""Runs of the toy kind for the engine's tests: real workers, real sandboxes, a second each."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.cli.main import main
from recevolve.engine.config.config import Config, parse

TOY = Path(__file__).parents[1] / "toy"
TASKS = ("--tasks", str(TOY))
"""What a command needs that loads the kind of an archive."""
RECEVOLVE = (sys.executable, "-m", "recevolve")
CONFIG: dict[str, Any] = {
    "kind": "toy",
    "tasks": [str(TOY)],
    "seeds": ["flat"],
    "population": {"islands": 3, "size": 8, "births": 6, "migrate_every": 2},
    "north_star": {"every": 3, "slots": 2, "folds": 3},
    "budget": {"generations": 7, "seconds": 600},
    "executor": {"workers": 2},
}


def config(run_dir: Path, **changes: Any) -> Config:
    """The toy config in that folder, with whole tables replaced."""
    return parse({**CONFIG, "run_dir": str(run_dir), **changes})


def config_file(folder: Path, **changes: Any) -> Path:
    """The toy config as a file; its run_dir is `folder / "run"`."""
    raw = {**CONFIG, "run_dir": str(folder / "run"), **changes}
    path = folder / "toy.toml"
    plain = [f"{key} = {_toml(value)}" for key, value in raw.items() if not isinstance(value, dict)]
    tables = [
        f"[{key}]\n" + "\n".join(f"{name} = {_toml(item)}" for name, item in value.items())
        for key, value in raw.items()
        if isinstance(value, dict)
    ]
    path.write_text("\n".join([*plain, *tables]) + "\n")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).replace("'", '"')


def command(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`recevolve ...` to its end, in this process: another one takes a second to start."""
    line = ["recevolve", *map(str, arguments)]
    out, error = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        patch.setattr("sys.argv", line)
        if cwd:
            patch.chdir(cwd)
        with pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(line, int(ended.value.code or 0), out.getvalue(), error.getvalue())


def separate_command(
    *arguments: str | Path, cwd: Path | None = None, timeout: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, which must end within `timeout` seconds."""
    line = [*RECEVOLVE, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=timeout, cwd=cwd, check=False)


def descendants(pid: int) -> set[int]:
    """Every living process below `pid`."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = {int(child) for child in task.read_text().split()}
        except (FileNotFoundError, ProcessLookupError):
            continue
        found |= children.union(*map(descendants, children))
    return found


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(pids: set[int], watch: int = 300) -> bool:
    """Whether all of them end; waits on each, up to `watch` tenths of a second in all."""
    for _ in range(watch):
        living = [pid for pid in pids if alive(pid)]
        if not living:
            return True
        try:
            descriptor = os.pidfd_open(living[0])
        except ProcessLookupError:
            continue
        with os.fdopen(descriptor) as file:
            _wait(file.fileno())
    return False


def _wait(descriptor: int) -> None:
    import select

    select.select([descriptor], [], [], 0.1)
