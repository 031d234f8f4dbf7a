"""Environment: the variables that started processes are not given."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
"""Names of variables that hold something to keep."""


@contextmanager
def withheld(names: Iterable[str] = ()) -> Iterator[None]:
    """Takes secrets out of this process's environment while child processes are started in the block.

    Secrets are variables of these names and those whose names look like it. A block must not await.
    """
    also = frozenset(names)
    taken = {name: value for name, value in os.environ.items() if name in also or SECRET.search(name)}
    for name in taken:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(taken)
