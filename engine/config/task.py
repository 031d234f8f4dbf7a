"""Tasks: the kind of a config, as that config has it."""

from pydantic import ValidationError

from ...evaluators.kinds import registry
from ...evaluators.kinds.task import Task
from .config import Config, ConfigError, explain


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
