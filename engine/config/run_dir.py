"""Run dir: where a run keeps things. Light to import, so that reading a run loads nothing of the search."""

from pathlib import Path

from ...population.archive.connection import ArchiveError

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
    return within(archive_of(run).parent, QUEUE)


def within(folder: Path, name: str) -> Path:
    """The path of that name in the folder. ArchiveError where the name, or a link there, leads out of it.

    Names come from archives and kinds, which may be a stranger's; so may a run's folder.
    """
    path = folder / name
    plain = name and name.isprintable() and Path(name).name == name
    if not plain or not path.resolve().is_relative_to(folder.resolve()):
        raise ArchiveError(
            f"{folder}: expected the plain name of a file in it, got {name!r}, which leads elsewhere: "
            "nothing is written"
        )
    return path


def write_whole(path: Path, text: str) -> None:
    """Writes a file that readers see whole or not at all; a link of its name is replaced, never followed."""
    made = path.with_name(f".{path.name}.part")
    made.unlink(missing_ok=True)
    with made.open("x", encoding="utf-8") as file:
        file.write(text)
    made.replace(path)
