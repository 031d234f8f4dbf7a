"""Ingest: readings from the experiment platform, into the archive at once or through the run's inbox.

One file is one transaction: its rows, the looks at what they change, and the decisions. So a process that is
killed leaves all of a file or nothing, and the same file may be sent again.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ...evaluators.data import DataError
from ...population.archive.archive import Archive, ArchiveBusy
from ...population.archive.experiments import Experiments
from ...population.values.experiment import CONTROL, COUNTS, TREATMENT, Ingest, Look, Reading, State
from ..config.config import Config, ConfigError
from ..config.run_dir import archive_of, within
from ..config.task import recorded_config
from .changes import PendingChanges
from .formats import parse
from .outcomes import table
from .readings import Rejected, Sorted, read, sort
from .round import live_plan
from .rules import LATE, look

INBOX = "inbox"
REFUSED = ".refused"
FORMS = ("csv", "parquet", "json")

Clock = Callable[[], float]


@dataclass(frozen=True)
class Letter:
    """A file of readings: its bytes, their format, and where it came from."""

    data: bytes
    form: str
    source: str

    @property
    def digest(self) -> str:
        """The SHA-256 of its bytes."""
        return sha256(self.data).hexdigest()


def receive(run: Path, letter: Letter, clock: Clock = time.time) -> dict[str, Any]:
    """What became of the letter, and of those that waited before it.

    Where the run's archive is being written (`recevolve run` works), the letter is put on the disk and the
    run takes it in at its next round: then the answer has `waiting`, the path. DataError where it cannot be
    read, ConfigError where the run has no live experiments, ArchiveError where there is no run.
    """
    with Archive.read(archive_of(run)) as archive:
        config = recorded_config(archive)
    rows = _rows(letter, config)  # before the lock, which a run may wait for
    path = archive_of(run)

    def taken() -> dict[str, Any]:
        with Archive.create_or_open(path, clock=clock) as archive:
            before = drain(archive)
            own = next((one for one in before if one["digest"] == letter.digest), None)
            if own is None:
                own = take(archive, recorded_config(archive), letter, rows)
        return {**own, "before": [one for one in before if one is not own]}

    try:
        return taken()
    except ArchiveBusy:
        waiting = put(path.parent, letter, clock)
    try:  # the run may have ended in between
        return taken()
    except ArchiveBusy as error:
        return {"waiting": str(waiting), "why": str(error), "rejected": []}


def require_live(config: Config) -> None:
    """Raises ConfigError where the run takes no readings from outside."""
    if config.online.backend != "live":
        raise ConfigError(
            f"online.backend: this run's is {config.online.backend}, which takes no readings from outside; "
            'begin a run with backend = "live"'
        )


def _rows(letter: Letter, config: Config) -> list[Reading | Rejected]:
    """The letter's rows, checked as far as that takes no archive. ConfigError and DataError as `receive`."""
    require_live(config)
    return read(parse(letter.data, letter.form), config.online)


def take(
    archive: Archive, config: Config, letter: Letter, rows: Sequence[Reading | Rejected]
) -> dict[str, Any]:
    """Takes a letter's rows into an open archive, with their looks and decisions, in one transaction.

    One that was taken in full before changes nothing. DataError where too many rows are refused.
    """
    book = archive.experiments()
    for old in book.ingests():
        if old.digest == letter.digest and not old.rejected:
            return {**_answer(old, old.id), "already_known": True}
    pending = PendingChanges.of(book, config.online)
    today = datetime.fromtimestamp(archive.clock(), UTC).date()
    history = book.history(name for name, one in pending.experiments.items() if one.backend == "live")
    found = sort(rows, pending.experiments, history, config.online, today)
    _apply(pending, found, config)
    refused, counts = tuple(asdict(one) for one in found.rejected), dict[str, Any](found.counts)
    ingest = Ingest(letter.digest, letter.source, rejected=refused, **counts)
    pending.made.ingest = ingest
    number = book.write(pending.made)
    touched = set(_touched(found))
    return {
        **_answer(ingest, number),
        "experiments": [row for row in table(archive, config.online) if row["experiment"] in touched],
        "moved": [f"{one.experiment} {one.state}: {one.reason}" for one in pending.made.transitions],
    }


def _touched(found: Sorted) -> list[str]:
    return sorted({one.experiment for one in found.taken})


def _apply(pending: PendingChanges, found: Sorted, config: Config) -> None:
    """Adds the readings, begins experiments that had none, looks at each one touched, and settles."""
    pending.read(found.taken)
    rules = config.online
    for name in _touched(found):
        if pending.experiments[name].state is State.TRAINING:
            pending.go_live(name, "its first readings are here")
        pending.look(name, live_plan(rules))
        arms: dict[str, set[str]] = {TREATMENT: set(), CONTROL: set()}
        for one in pending.readings[name].values():
            if one.metric == rules.deciding:
                arms[one.arm].add(one.day)
        if len(arms[TREATMENT] & arms[CONTROL]) >= rules.horizon_days:
            pending.exhausted([name], f"undecided after all {rules.horizon_days} days (online.horizon_days)")
    pending.settle()


def _answer(ingest: Ingest, number: int) -> dict[str, Any]:
    return {
        "ingest": number,
        "digest": ingest.digest,
        "source": ingest.source,
        "already_known": False,
        **{name: getattr(ingest, name) for name in COUNTS},
        "rejected": [dict(one) for one in ingest.rejected],
    }


def printable(name: str) -> str:
    """The name of a file as text that an archive can hold."""
    return name.encode("utf-8", "backslashreplace").decode()


def put(run_dir: Path, letter: Letter, clock: Clock) -> Path:
    """The letter's place in the inbox, where it lies durably. One that waits already is not put twice."""
    inbox = within(run_dir, INBOX)
    inbox.mkdir(exist_ok=True)
    name = f"{letter.digest}.{letter.form}"
    for old in sorted(inbox.iterdir()):
        if old.name.partition("-")[2] == name:
            return old
    path = inbox / f"{int(clock() * 1e9):020d}-{name}"
    partial = inbox / f".{path.name}.{os.getpid()}"
    partial.unlink(missing_ok=True)
    with partial.open("xb") as file:
        file.write(letter.data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(inbox, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def drain(archive: Archive) -> list[dict[str, Any]]:
    """Takes in what waits in the inbox, oldest first. A letter is removed once it is committed.

    A process that is killed in between takes it again, and then it is known already. What cannot be read
    is set aside under another name.
    """
    inbox = within(archive.path.parent, INBOX)
    if not inbox.is_dir():
        return []
    taken = []
    config = recorded_config(archive)
    for path in sorted(inbox.iterdir()):
        form = path.suffix.removeprefix(".")
        if path.name.startswith(".") or form not in FORMS or path.is_symlink() or not path.is_file():
            continue
        letter = Letter(path.read_bytes(), form, f"{INBOX}/{printable(path.name)}")
        try:
            taken.append(take(archive, config, letter, _rows(letter, config)))
        except (ConfigError, DataError) as error:
            path.rename(path.with_name(path.name + REFUSED))
            taken.append({**_answer(Ingest(letter.digest, letter.source), 0), "refused": str(error)})
            continue
        path.unlink()
    return taken


def looked_again(book: Experiments, config: Config) -> list[str]:
    """Sentences on recorded looks at live readings that do not follow from the readings known at the time."""
    known = {one.id: one for one in book.all()}
    wrong = []
    recorded: dict[tuple[str, int], list[Look]] = {}
    for each in book.looks():
        if each.ingest is not None:
            recorded.setdefault((each.experiment, each.number), []).append(each)
    for (name, number), looks in recorded.items():
        ingest = looks[0].ingest
        assert ingest is not None
        readings = [one for one in book.readings(ingest) if one.experiment == name]
        for old, new in zip_longest(
            looks, look(known[name], readings, config.online, number, live_plan(config.online))
        ):
            shared = replace(new, decision=old.decision, ingest=ingest) if old and new else new
            if old != shared or (old and new and old.decision not in (new.decision, LATE)):
                wrong.append(f"look {number} at {name} is {old}, but the readings of then say {new}")
    return wrong


def arrive(archive: Archive, say: Callable[[str], None], generation: int | None) -> None:
    """Takes in what was sent while the run works, at a promotion round or at the conclusion (None)."""
    for one in drain(archive):
        say(f"ingest {one['ingest']} of {one['source']}: {counts(one)}")


def counts(answer: Mapping[str, Any]) -> str:
    """What became of the rows, in words."""
    if answer.get("refused"):
        return f"refused: {answer['refused']}"
    if answer["already_known"]:
        return f"known already as ingest {answer['ingest']}: nothing is counted twice"
    words = [f"{answer[name]} {name}" for name in COUNTS if answer[name] or name == "accepted"]
    return ", ".join([*words, f"{len(answer['rejected'])} rejected"])
