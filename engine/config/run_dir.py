"""Run dir: where a run keeps things. Light to import, so that reading a run loads nothing of the search."""

from pathlib import Path

ARCHIVE = "archive.db"
REPORT = "report"
"""The name under which an archive keeps the run's conclusion."""

PICTURE = "alignment.svg"
"""The picture of proxy against north star that a run leaves beside its archive."""

QUEUE = "gpu-queue"
"""The folder of programs that wait for a machine that can measure them."""


def archive_of(run_dir: Path) -> Path:
    """The archive of a run, given its folder or the archive itself."""
    return run_dir if run_dir.suffix == ".db" else run_dir / ARCHIVE


def queue_of(run: Path) -> Path:
    """The gpu-queue of a run, given its folder or its archive."""
    return archive_of(run).parent / QUEUE
