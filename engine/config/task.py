"""What a config stands for: the kind that it names, and the run that was begun with it.

An archive may be a stranger's. Its config says what was searched. It does not say which code is loaded,
whether there is a sandbox, and where keys are sent: the user does.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from ...evaluators.kinds import registry
from ...evaluators.kinds.task import Task
from ...evaluators.language.static import check
from ...population.archive.archive import Archive, ArchiveError
from ...population.archive.views import Run
from .config import Config, ConfigError, explain, parse
from .proposers import placed


def task_for(config: Config) -> Task:
    """The task of the config's kind, adapted to its data and settings. ConfigError for wrong settings.

    Also what finding a kind raises: UnknownKind, BadTask.
    """
    task = registry.find(config.kind, config.tasks)
    try:
        task.settings.model_validate(config.settings)
    except ValidationError as error:
        raise ConfigError(explain(error, task.settings, task.kind)) from None
    try:
        return registry.adapted(task, config.data.table(), config.settings)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{config.kind}: {error}") from None


def begun(archive: Archive) -> Run:
    """The run as it was first begun. ConfigError where none was."""
    run = archive.run()
    if run is None:
        raise ConfigError(f"{archive.path} holds no run yet; start one with `recevolve run CONFIG`")
    return run


def _recorded(archive: Archive) -> Config:
    raw = begun(archive).config["config"]
    try:
        return parse(raw)
    except ConfigError as error:
        raise ArchiveError(f"{archive.path}: table run, row 1: no config of this release: {error}") from error


def recorded_config(archive: Archive) -> Config:
    """The config that the run was begun with, without its `tasks`. ConfigError where none was."""
    return _recorded(archive).model_copy(update={"tasks": ()})


def config_to_run(archive: Archive, tasks: Sequence[Path], *, unsafe: bool = False) -> Config:
    """The recorded config for work that loads its kind, with the user's own `tasks` and `sandbox.unsafe`.

    ConfigError where the run was begun with `tasks` and the user gives none.
    """
    config = _recorded(archive)
    if config.tasks and not tasks:
        folders = ", ".join(map(str, config.tasks))
        raise ConfigError(
            f"{archive.path} takes its kind from {folders}. Code is not loaded because an archive "
            "names it: read the code, then give its folder with --tasks"
        )
    own = {
        "tasks": tuple(map(placed, tasks)),
        "sandbox": config.sandbox.model_copy(update={"unsafe": unsafe}),
    }
    return config.model_copy(update=own)


def recorded_kind(archive: Archive, tasks: Sequence[Path], *, unsafe: bool = False) -> tuple[Config, Task]:
    """(`config_to_run`, its task); from here on the archive gives no program that breaks the task's rules."""
    config = config_to_run(archive, tasks, unsafe=unsafe)
    return config, guarded(archive, task_for(config))


def guarded(archive: Archive, task: Task) -> Task:
    """The task, whose rules every program must pass from here on that the archive gives to be used."""
    archive.refused = lambda source: "; ".join(map(str, check(source, task.rules)))
    return task


def require_no_address(config: Config) -> None:
    """ConfigError where a recorded config gives the address of a model, which would get the user's keys."""
    if strange := ", ".join(model.name for model in config.propose.paid if model.addressed):
        raise ConfigError(
            f"propose.models: the archive gives the address or further parameters of {strange}. Keys are not "
            "sent where an archive says: continue with your own config, `recevolve run CONFIG`"
        )
