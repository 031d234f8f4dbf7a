"""Warm start: what a new run takes over from an earlier one's journal, so that it needs no other file."""

import sys
from dataclasses import asdict, replace
from pathlib import Path

from ...population.archive.archive import Archive, ArchiveError
from ...population.archive.views import Views
from ..config.config import ConfigError, parse
from ..config.run_dir import archive_of
from ..propose.journal import WARM_START, Journal
from ..propose.llm.prompts import lessons


def warm_start(archive: Archive, path: Path, kind: str) -> None:
    """Copies journal and last lessons of the run at `path` (its folder or its archive) into `archive`.

    Does nothing where that was done before. ConfigError where there is no run, one of another kind, or
    nothing to learn from.
    """
    if archive.conclusion(WARM_START) is not None:
        return
    try:
        with Archive.read(archive_of(path)) as earlier:
            begun = earlier.run()
            if begun is None:
                raise ConfigError(f"propose.journal_from: no run was begun in {path}")
            config = parse(begun.config["config"])
            if config.kind != kind:
                raise ConfigError(
                    f"propose.journal_from: expected a run of kind {kind}, but {path} evolves {config.kind}"
                )
            journal = Journal(earlier, config)
            entries = journal.whole()
            learnt = lessons.recorded(earlier, sys.maxsize) or journal.warm_start[1]
    except (ArchiveError, OSError) as error:
        raise ConfigError(f"propose.journal_from: {path} cannot be read: {error}") from None
    if not entries:
        raise ConfigError(f"propose.journal_from: {path} holds no experiment to learn from yet")
    kept = [asdict(replace(entry, earlier=True)) for entry in entries]
    archive.conclude(WARM_START, {"entries": kept, "lessons": list(learnt)})


def hand_on(source: Views, rebuilt: Archive) -> None:
    """Copies what `source` took over into an archive that rebuilds its search."""
    kept = source.conclusion(WARM_START)
    if kept is not None:
        rebuilt.conclude(WARM_START, kept)
