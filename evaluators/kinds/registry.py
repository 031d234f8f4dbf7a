"""The registry: every kind of program there is. A folder whose `task.py` holds a TASK is a kind."""

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, get_args

from ..data.log import did_you_mean
from ..language.vocabulary import HOLE, Type
from .task import Task

HOME = Path(__file__).parents[1]
"""The folder of the built-in kinds."""
GROUP = "recevolve.tasks"
"""Entry points of this group name a Task, as in `mine = "package.task:TASK"`."""


OWN = "recevolve_task_"
"""How the packages are called that hold kinds of folders outside the package."""


class UnknownKind(ValueError):
    """No such kind; the message lists those that there are and the nearest."""


class BadTask(ValueError):
    """A folder or an entry point that should hold a kind does not; the message says what is missing."""


def kinds() -> tuple[str, ...]:
    """The names of the built-in kinds and of those that installed packages bring, sorted."""
    return tuple(sorted({*_folders(), *_installed()}))


def find(kind: str, extra_paths: Sequence[str | Path] = ()) -> Task:
    """The task of this kind; `extra_paths` are folders with a `task.py` of the user's own, which go first.

    Built-in kinds go before installed ones. UnknownKind, or BadTask where a task cannot be read.
    """
    own = {task.kind: task for task in map(_from_path, extra_paths)}
    if kind in own:
        return own[kind]
    if kind in _folders():
        module = importlib.import_module(f"..{kind}.task", __package__)
        return _checked(vars(module).get("TASK"), f"TASK of evaluators/{kind}/task.py")
    if kind in (installed := _installed()):
        return _checked(installed[kind].load(), f"entry point {kind} = {installed[kind].value}")
    known = sorted({*kinds(), *own})
    hint = did_you_mean(kind, known)
    raise UnknownKind(
        f"unknown kind {kind!r}{hint}; there is {', '.join(known)}; --tasks (`tasks` in a config) adds more"
    )


def own_folders() -> tuple[str, ...]:
    """The folders outside the package from which kinds were loaded, each with a separator at its end."""
    packages = [module for name, module in sys.modules.items() if name.startswith(OWN) and "." not in name]
    return tuple(f"{module.__path__[0]}{os.sep}" for module in packages)


def personas() -> dict[str, str]:
    """The text of `persona.md` of each built-in kind that has one, by kind; no task is loaded."""
    files = {kind: HOME / kind / "persona.md" for kind in _folders()}
    return {kind: file.read_text(encoding="utf-8") for kind, file in files.items() if file.is_file()}


def adapted(task: Task, data: Mapping[str, Any], settings: Mapping[str, Any]) -> Task:
    """The task as a config with this data and these settings has it. ValueError, OSError as it raises."""
    return task.adapt(data, settings) if task.adapt else task


def _folders() -> tuple[str, ...]:
    here = Path(__file__).parent
    return tuple(path.parent.name for path in HOME.glob("*/task.py") if path.parent != here)


def _installed() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _from_path(path: str | Path) -> Task:
    """The TASK of a folder outside the package, imported as a package of its own: relative imports work."""
    folder = Path(path).expanduser().resolve()
    file = folder / "task.py"
    if not file.is_file():
        raise BadTask(f"{folder} must be a folder with a task.py that holds TASK; there is no such file")
    package = f"{OWN}{sha256(str(folder).encode()).hexdigest()[:12]}"
    if package not in sys.modules:
        spec = importlib.util.spec_from_loader(package, loader=None, is_package=True)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        module.__path__ = [str(folder)]
        sys.modules[package] = module
    return _checked(vars(importlib.import_module(f"{package}.task")).get("TASK"), f"TASK of {file}")


def _checked(task: object, where: str) -> Task:
    """The task, where it is one that a search can work with. BadTask otherwise."""
    if not isinstance(task, Task):
        raise BadTask(f"{where} must hold a Task, got {type(task).__name__}")
    if wrong := list(_mistakes(task)):
        raise BadTask("\n".join(f"{where}: {one}" for one in wrong))
    return task


def _mistakes(task: Task) -> Iterator[str]:
    """What no search with this task could do right, a sentence each."""
    if not task.metrics:
        yield "metrics is empty: name what the north star returns, the deciding metric first"
    for name, field in task.settings.model_fields.items():
        if field.is_required():
            yield f"settings: {name} needs a default"
    words, modules, types = task.vocabulary, task.rules.modules, get_args(Type)
    if words.layout.function not in task.rules.functions:
        known = ", ".join(task.rules.functions)
        yield f"vocabulary.layout.function: rules.functions has {known}, not {words.layout.function}"
    for operator in words.operators:
        for strange in {*operator.arguments, operator.result}.difference(types):
            yield f"{operator.template}: no type is called {strange}; there is {', '.join(types)}"
    for template in (
        *(one.template for one in words.operators),
        *(text for one in words.idioms for text in (one.result, *one.statements)),
    ):
        for node in ast.walk(ast.parse(HOLE.sub("_", template))):
            match node:
                case ast.Attribute(value=value, attr=name) if (module := ast.unparse(value)) in modules:
                    if name not in modules[module]:
                        yield f"{template}: rules.modules does not allow {module}.{name}"
