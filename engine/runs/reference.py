"""Handing on: an elite of an interaction search as what a kernel search is to compute."""

from pathlib import Path

from ...population.archive.archive import Archive
from ..config.config import Config, ConfigError
from ..config.recorded import recorded_config
from ..config.run_dir import archive_of
from ..report.report import identify

GIVES, TAKES = "interaction", "kernel"


def with_reference(config: Config, asked: str) -> Config:
    """The config with the program in its settings, text and all, so that the run needs the other no more.

    `asked` is RUN:PROGRAM, a run's folder or archive and an id, its first digits, or `best`. ConfigError
    where either run is of another kind; ArchiveError, UnknownProgram.
    """
    run, colon, program = asked.rpartition(":")
    if not colon or not run or not program:
        raise ConfigError(f"--reference {asked}: expected RUN:PROGRAM, for example runs/interaction:best")
    if config.kind != TAKES:
        raise ConfigError(
            f"--reference: only a {TAKES} search takes one, and this config's kind is {config.kind}"
        )
    with Archive.read(archive_of(Path(run))) as archive:
        kind = recorded_config(archive).kind
        if kind != GIVES:
            raise ConfigError(f"--reference {run}: expected a run of kind {GIVES}, got one of kind {kind}")
        found = archive.program(identify(archive, program))
    layer = {"program": found.id, "source": found.source}
    return config.model_copy(update={"settings": {**config.settings, "reference": layer}})
