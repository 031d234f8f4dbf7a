"""What a config stands for: the kind that it names, and the run that was begun with it."""

from pydantic import ValidationError

from ...evaluators.kinds import registry
from ...evaluators.kinds.task import Task
from ...population.archive.archive import Archive
from ...population.archive.views import Run
from .config import Config, ConfigError, explain, parse


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


def recorded_config(archive: Archive) -> Config:
    """The config that the run was begun with. ConfigError where none was."""
    return parse(begun(archive).config["config"])
