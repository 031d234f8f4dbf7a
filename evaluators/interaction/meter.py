"""Meter: what a layer computes with, told operation by operation while it runs, and not by its word."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

PRODUCTS = dict(flop_registry)
"""Taken before any candidate could change it."""
CHOOSING = frozenset({"index_select", "index", "gather", "embedding", "take"})
"""Operations that may read an index."""
INDICES = frozenset({"triu_indices", "tril_indices"})
RANDOM = frozenset({
    "bernoulli", "bernoulli_", "dropout", "multinomial", "native_dropout", "normal", "normal_", "rand_like",
    "randint_like", "randn_like", "random_", "uniform_",
})  # fmt: skip
MOVING = frozenset({
    "_to_copy", "cat", "clone", "copy_", "detach", "empty_like", "expand", "index_select", "scalar_tensor",
    "stack", "triu_indices", "tril_indices",
})  # fmt: skip
"""Operations that move numbers and compute none."""


class Foreign(ValueError):
    """A layer computed with a tensor that is made neither from its input nor from its parameters."""


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts floating-point operations of everything that runs within, and refuses tensors from elsewhere.

    `flops`: a multiply-add counts two, as `torch.utils.flop_counter` has it; any other operation one for each
    element that it writes, or reads where it reduces; moving numbers is free. Foreign where an operation
    reads a tensor that is neither `given` nor made from one: constants, random numbers and what was kept
    from an earlier call all are. Integer indices may be made from nothing, and only choose.
    """

    def __init__(self, given: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self._known = {_place(tensor) for tensor in given}
        self._indices: set[int] = set()
        self._alive: list[Tensor] = []  # a place is told by its address, which must not be given away

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func._overloadpacket.__name__
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        result = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self._alive += made
        if name in INDICES or (read and all(_place(each) in self._indices for each in read)):
            if any(each.is_floating_point() for each in made):
                raise Foreign(f"`{name}` makes numbers from an index; compute from x and params alone")
            self._indices.update(map(_place, made))
            return result
        if name in RANDOM:
            raise Foreign(
                f"`{name}` draws numbers of its own; draw parameters in init, where they are counted"
            )
        self._require_known(name, read)
        self._known.update(map(_place, made))
        self.flops += _cost(func, name, args, kwargs or {}, read, made, result)
        return result

    def require(self, result: Tensor) -> None:
        """Foreign unless the result was computed within, or given."""
        if _place(result) not in self._known:
            raise Foreign("what it returns comes from neither x nor params")

    def _require_known(self, name: str, read: Sequence[Tensor]) -> None:
        if not read and name != "scalar_tensor":  # a literal beside a tensor
            raise Foreign(f"`{name}` makes a tensor of its own; return it from init, where it is counted")
        for each in read:
            if _place(each) in self._indices and name not in CHOOSING:
                raise Foreign(f"`{name}` computes with an index; compute from x and params alone")
            if _place(each) not in self._known | self._indices:
                shape = tuple(each.shape)
                raise Foreign(f"`{name}` reads a tensor of shape {shape} from neither x nor params")


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _cost(
    func: Any,
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    read: Sequence[Tensor],
    made: Sequence[Tensor],
    result: Any,
) -> int:
    if func._overloadpacket in PRODUCTS:
        return int(PRODUCTS[func._overloadpacket](*args, **kwargs, out_val=result))
    storages = {_place(each) for each in read}
    if name in MOVING or all(_place(each) in storages for each in made):
        return 0
    return max(prod(each.shape) for each in (*read, *made))
