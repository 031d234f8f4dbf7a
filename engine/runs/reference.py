"""The reference: a program of one search as what a search of another kind is to compute."""

from pathlib import Path

from ...evaluators.kinds import registry
from ...population.archive.archive import Archive
from ..config.config import Config, ConfigError
from ..config.run_dir import archive_of
from ..config.task import recorded_config
from ..report.report import find


def with_reference(config: Config, asked: str) -> Config:
    """The config with the program in its settings, text and all, so that the run needs the other no more.

    `asked` is RUN:PROGRAM, a run's folder or archive and an id, its first digits, or `best`. ConfigError
    where either run is of another kind; ArchiveError, UnknownProgram.
    """
    run, colon, program = asked.rpartition(":")
    if not colon or not run or not program:
        raise ConfigError(f"--reference {asked}: expected RUN:PROGRAM, for example runs/mine:best")
    gives = registry.find(config.kind, config.tasks).reference
    if not gives:
        raise ConfigError(f"--reference: a search of kind {config.kind} takes none")
    with Archive.read(archive_of(Path(run))) as archive:
        kind = recorded_config(archive).kind
        if kind != gives:
            raise ConfigError(f"--reference {run}: expected a run of kind {gives}, got one of kind {kind}")
        found = find(archive, program)
    layer = {"program": found.id, "source": found.source}
    return config.model_copy(update={"settings": {**config.settings, "reference": layer}})
