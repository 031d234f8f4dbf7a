"""generator: the only source of random numbers, keyed by what they are for."""

import json
from hashlib import sha256

from numpy.random import Generator, Philox


def generator(seed: int, *purpose: int | str) -> Generator:
    """A fresh generator that depends on nothing but its arguments; other arguments, unrelated numbers.

    `purpose` says what the numbers are for, for example ("select", island, generation, slot). Philox is
    counter-based: 128 bits of a hash of the arguments are its key, and no state is shared between two uses.
    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    digest = sha256(json.dumps([seed, *purpose]).encode()).digest()
    return Generator(Philox(key=int.from_bytes(digest[:16], "little")))
