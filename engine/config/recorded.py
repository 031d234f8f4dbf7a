"""The config that a run was begun with, as its archive keeps it."""

from ...population.archive.archive import Archive
from .config import Config, ConfigError, parse


def recorded_config(archive: Archive) -> Config:
    """The config that the run was begun with. ConfigError where none was."""
    begun = archive.run()
    if begun is None:
        raise ConfigError(f"{archive.path} holds no run yet; start one with `recevolve run CONFIG`")
    return parse(begun.config["config"])
