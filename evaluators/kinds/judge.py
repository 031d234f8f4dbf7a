"""What the judges of all kinds share: the splits of the north star, and the fingerprint of a judge."""

import hashlib
import json
from importlib.metadata import version
from typing import Any

SPLITS = ("selection", "claim")


def place_of(split: str) -> int:
    """The number of a split of the north star. ValueError for any other name."""
    if split not in SPLITS:
        raise ValueError(f"the north star is measured on one of {', '.join(SPLITS)}, got {split!r}")
    return SPLITS.index(split)


def fingerprint(*parts: Any, packages: tuple[str, ...]) -> str:
    """16 hexadecimal digits of what verdicts depend on: plain values, our version and those of packages."""
    versions = {name: version(name) for name in ("recevolve", *packages)}
    return hashlib.sha256(json.dumps([parts, versions], sort_keys=True).encode()).hexdigest()[:16]
