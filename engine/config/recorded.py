"""The config that a run was begun with, as its archive keeps it."""

from ...population.archive.archive import Archive
from ...population.archive.views import Run
from .config import Config, ConfigError, parse


def begun(archive: Archive) -> Run:
    """The run as it was first begun. ConfigError where none was."""
    run = archive.run()
    if run is None:
        raise ConfigError(f"{archive.path} holds no run yet; start one with `recevolve run CONFIG`")
    return run


def recorded_config(archive: Archive) -> Config:
    """The config that the run was begun with. ConfigError where none was."""
    return parse(begun(archive).config["config"])
