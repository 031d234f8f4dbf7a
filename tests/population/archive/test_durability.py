"""Whatever happens to the process or the disk: what was committed is there, and the run goes on from it."""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recevolve.population.archive.archive import Archive, ArchiveBusy, ArchiveError, ArchiveUnwritable
from recevolve.population.archive.connection import transaction
from recevolve.population.values.evaluation import Evaluation

Born = Callable[..., Evaluation]

GENERATIONS, BIRTHS = 6, 5

WORKER = f"""
import asyncio, os, signal, sys
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.island.island import cull, select
from recevolve.population.values.member import Member
from recevolve.population.values.program import Program
from recevolve.population.island.randomness import generator
from recevolve.population.values.verdict import Verdict

async def evaluated(archive, ledger, island, generation, slot, parent):
    program = Program("function", f"{{parent}}{{slot}}", (parent,) if parent else ())
    async def judge():
        score = float(generator(0, program.id).random())
        print("paid", program.id, flush=True)
        return {{"status": "scored", "score": [score, None, 1], "reason": "", "metrics": {{}}, "facts": {{}},
                 "timings": {{"pid": os.getpid()}}}}
    answer = await ledger.recall_or({{"program": program.id}}, judge)
    print("used", program.id, flush=True)
    verdict = Verdict.from_json(answer)
    return Evaluation(island, generation, slot, program, program.id, verdict, "proxy", program.id)

def work(archive):
    ledger = archive.ledger()
    for generation in range({GENERATIONS}):
        for island in range(2):
            last = archive.last_generation(island)
            if last is not None and last >= generation:
                continue
            old = archive.population(island, generation - 1) if generation else ()
            parent = select(old, generator(0, island, generation), 1)[0].program_id if old else str(island)
            async def all_evaluations():
                return await asyncio.gather(*(
                    evaluated(archive, ledger, island, generation, slot, parent) for slot in range({BIRTHS})))
            made = asyncio.run(all_evaluations())
            new = [Member(b.program.id, b.program.source, b.verdict.score.value, b.behaviour, ("c",), 1)
                   for b in made]
            archive.commit_generation(island, generation, population=cull([*old, *new], 4), evaluations=made)
            print("committed", island, generation, flush=True)

path, fuse = sys.argv[1], int(sys.argv[2])
with Archive.create_or_open(path) as archive:
    if fuse:
        def burn():
            global fuse
            fuse -= 1
            if not fuse:
                os.kill(os.getpid(), signal.SIGKILL)
        archive.connection.set_progress_handler(burn, 7)
    work(archive)
print("finished")
"""


@pytest.fixture
def worker(tmp_path: Path) -> list[str]:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    return [sys.executable, "-W", "error", str(script)]


def test_a_run_killed_again_and_again_ends_as_one_that_was_not(worker: list[str], tmp_path: Path) -> None:
    """The fuse kills the writer between two instructions of SQLite's machine, wherever that is."""
    random_fuse = random.Random(20)
    killed, whole = tmp_path / "killed.db", tmp_path / "whole.db"
    said: list[str] = []
    kills = 0
    while "finished" not in said:
        fuse = random_fuse.randrange(40, 700) if kills < 8 else 0
        run = subprocess.run([*worker, str(killed), str(fuse)], capture_output=True, text=True, check=False)
        assert run.returncode in (0, -signal.SIGKILL), run.stderr
        kills += run.returncode != 0
        said += run.stdout.splitlines()
        if killed.exists() and any(line.startswith("used") for line in said):
            check_consistent(killed, said)
    subprocess.run([*worker, str(whole), "0"], check=True, capture_output=True)
    assert kills >= 4, "the fuse was too long to test anything"
    with Archive.read(killed) as left, Archive.read(whole) as right:
        assert left.compare(right) == []
        assert left.last_generation(1) == GENERATIONS - 1


def test_a_run_killed_from_outside_at_any_instant(worker: list[str], tmp_path: Path) -> None:
    """A signal comes between any two instructions of the processor, inside a commit too."""
    path = tmp_path / "archive.db"
    said: list[str] = []
    for lines in (1, 9, 14, 23):
        with subprocess.Popen([*worker, str(path), "0"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line, _ in zip(process.stdout, range(lines), strict=False):
                said.append(line.strip())
            process.kill()
            said += process.stdout.read().splitlines()
        check_consistent(path, said)


def check_consistent(path: Path, said: list[str]) -> None:
    """Everything used is recorded once, and generations are whole or absent."""
    with Archive.read(path) as archive:
        connection = archive.connection
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for line in said:
            match line.split():
                case ["used", program]:
                    assert archive.ledger().recall({"program": program}) is not None
                case ["committed", island, generation]:
                    assert (archive.last_generation(int(island)) or 0) >= int(generation)
        for island in archive.generations():
            for generation in range((archive.last_generation(island) or 0) + 1):
                assert len(archive.evaluations(island, generation)) == BIRTHS
                assert archive.population(island, generation)
        (orphans,) = connection.execute(
            "SELECT count(*) FROM evaluations LEFT JOIN generations USING (island, generation) "
            "WHERE generations.island IS NULL"
        ).fetchone()
        assert orphans == 0


def test_nothing_used_is_paid_for_twice(worker: list[str], tmp_path: Path) -> None:
    path = tmp_path / "archive.db"
    first = subprocess.run([*worker, str(path), "300"], capture_output=True, text=True, check=False)
    assert first.returncode == -signal.SIGKILL
    second = subprocess.run([*worker, str(path), "0"], capture_output=True, text=True, check=True)
    used = {line.split()[1] for line in first.stdout.splitlines() if line.startswith("used")}
    paid = {line.split()[1] for line in second.stdout.splitlines() if line.startswith("paid")}
    assert used
    assert paid
    assert not used & paid


def test_a_dead_owner_frees_the_archive_and_a_living_one_is_named(path: Path) -> None:
    script = (
        "import sys; from recevolve.population.archive.archive import Archive\n"
        "archive = Archive.create_or_open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with pytest.raises(ArchiveBusy, match=rf"process {owner.pid}\b.*wait for it"):
            Archive.create_or_open(path)
        Archive.read(path).close()
        owner.kill()
    with Archive.create_or_open(path) as archive:
        assert archive.run() is None


def test_a_forgotten_lock_file_means_nothing(path: Path) -> None:
    path.with_name("archive.db.lock").write_text("1\n")
    with Archive.create_or_open(path) as archive:
        assert archive.run() is None


def test_readers_and_the_writer_do_not_wait_for_each_other(archive: Archive, born: Born) -> None:
    archive.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "old"),))
    with Archive.read(archive.path) as reader:
        for connection in (archive.connection, reader.connection):
            connection.execute("PRAGMA busy_timeout = 0")
        with transaction(archive.connection) as writing:
            writing.execute("UPDATE generations SET statistics = '{\"new\": 1}'")
            assert reader.statistics(0, 0) == {}, "what is not committed is not seen"
        assert reader.statistics(0, 0) == {"new": 1}
        reader.connection.execute("BEGIN")
        assert reader.last_generation(0) == 0
        archive.commit_generation(0, 1, population=(), evaluations=(born(0, 1, 0, "new"),))
        archive.ledger().record({"k": 1}, {"v": 1})
        assert reader.last_generation(0) == 0, "a reader's transaction is one instant"
        reader.connection.execute("COMMIT")
        assert reader.last_generation(0) == 1


def test_a_full_disk_is_one_error_and_the_archive_stays_readable(archive: Archive, born: Born) -> None:
    archive.commit_generation(0, 0, population=(), evaluations=(born(0, 0, 0, "kept"),))
    (pages,) = archive.connection.execute("PRAGMA page_count").fetchone()
    archive.connection.execute(f"PRAGMA max_page_count = {pages}")
    big = [born(0, 1, slot, f"{slot}" * 3000) for slot in range(20)]
    with pytest.raises(ArchiveUnwritable, match=r"disk is full.*[Ff]ree space"):
        archive.commit_generation(0, 1, population=(), evaluations=big)
    with pytest.raises(ArchiveUnwritable, match="disk is full"):
        archive.ledger().record({"k": 1}, {"v": "x" * 100_000})
    assert archive.last_generation(0) == 0
    with Archive.read(archive.path) as reader:
        assert [evaluation.program.source for evaluation in reader.evaluations(0, 0)] == ["kept"]
    archive.connection.execute("PRAGMA max_page_count = 1000000")
    archive.commit_generation(0, 1, population=(), evaluations=big)
    assert archive.evaluations(0, 1) == tuple(big)


def test_what_another_program_holds_is_one_error(archive: Archive) -> None:
    archive.connection.execute("PRAGMA busy_timeout = 1")
    intruder = sqlite3.connect(archive.path, isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(ArchiveUnwritable, match=r"database is locked.*end what else holds the file"):
        archive.conclude("gain", {})
    intruder.execute("ROLLBACK")
    intruder.close()
    archive.conclude("gain", {})


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 512 KiB; skips where this user may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def record_until_full(archive: Archive) -> tuple[int, str]:
    """How many answers the disk took, and what the archive said then."""
    for number in range(1000):
        try:
            archive.ledger().record({"n": number}, {"v": "x" * 4000})
        except ArchiveUnwritable as error:
            return number, str(error)
    return 1000, "never full"


def test_a_really_full_disk(tmp_path: Path, born: Born) -> None:
    with small_disk(tmp_path / "disk") as disk:
        with Archive.create_or_open(disk / "archive.db") as archive:
            committed, error = record_until_full(archive)
            assert re.search("disk is full|disk I/O error", error)
            assert committed > 3
            with Archive.read(disk / "archive.db") as reader:
                assert all(reader.ledger().recall({"n": number}) for number in range(committed))
        with Archive.read(disk / "archive.db") as reader:
            assert all(reader.ledger().recall({"n": number}) for number in range(committed))
            assert reader.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        remount(disk, "size=8m")
        with Archive.create_or_open(disk / "archive.db") as archive:
            archive.ledger().record({"n": committed}, {"v": 1})


@pytest.mark.process
def test_a_disk_too_full_to_begin(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        (disk / "ballast").write_bytes(b"x" * 500 * 1024)
        with pytest.raises(ArchiveUnwritable, match="Free space"):
            Archive.create_or_open(disk / "archive.db")
        (disk / "ballast").unlink()
        Archive.create_or_open(disk / "archive.db").close()


def test_a_read_only_disk_is_readable_and_says_so_to_a_writer(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk / "archive.db"
        with Archive.create_or_open(path) as archive:
            archive.conclude("gain", {"v": 1})
        remount(disk, "ro")
        with Archive.read(path) as reader:
            assert reader.conclusion("gain") == {"v": 1}
        for target in (path, disk / "new" / "archive.db"):
            with pytest.raises(ArchiveUnwritable, match="Read-only file system"):
                Archive.create_or_open(target)


def test_an_interrupted_archive_on_a_read_only_disk_says_what_to_do(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        with Archive.create_or_open(tmp_path / "archive.db") as archive:
            archive.conclude("gain", {"v": 1})
            shutil.copy(tmp_path / "archive.db", disk)
            shutil.copy(tmp_path / "archive.db-wal", disk)
        remount(disk, "ro")
        with pytest.raises(ArchiveError, match=r"copy archive.db and archive.db-wal"):
            Archive.read(disk / "archive.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_one_error(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    with pytest.raises(ArchiveUnwritable, match="Permission denied"):
        Archive.create_or_open(folder / "archive.db")
