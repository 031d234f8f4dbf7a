"""Who is told what an interpreted kernel does."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class Watch:
    """Told of every access and of every operation. This one ignores them."""

    def load(self, addresses: Array, mask: Array | None, size: int, origin: str) -> None:
        """Before memory is read.

        Addresses of lanes, of which the mask (None: all) reads `size` bytes each. `origin` is the argument
        that the pointers were made from; empty where that is not known.
        """

    def store(self, addresses: Array, mask: Array | None, size: int, origin: str, values: Array) -> None:
        """Before the values are written."""

    def atomic(self, addresses: Array, mask: Array | None, size: int, origin: str, floating: bool) -> None:
        """Before memory is changed; `floating` where a sum depends on the order."""

    def arithmetic(self, count: int) -> None:
        """So many floating-point operations outside `tl.dot`."""

    def special(self, count: int) -> None:
        """So many exponentials, roots and the like."""

    def dot(self, precision: str, flops: int) -> None:
        """A matrix product, a multiply-add counting two."""

    def overflow(self) -> None:
        """A signed 32-bit integer has wrapped around."""
