"""What torch does while launches are recorded: allocations, fills, views, copies, and computing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ALLOCATIONS = frozenset({"empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided"})
FILLS: Mapping[str, float | int | None] = {
    "zeros": 0, "zeros_like": 0, "new_zeros": 0, "zero_": 0,
    "ones": 1, "ones_like": 1, "new_ones": 1,
    "full": None, "full_like": None, "new_full": None, "fill_": None,
}  # fmt: skip
"""By name, what they fill with; None: with their second argument."""
COPIES = frozenset({"clone", "copy_", "_to_copy", "contiguous", "cat", "stack"})
_VIEWS = frozenset({"_unsafe_view", "detach", "alias", "lift_fresh"})

Seen = Callable[[str, str, Sequence[torch.Tensor], Sequence[torch.Tensor], float | None], None]


def kind_of(function: Any, arguments: Sequence[Any]) -> tuple[str, float | None]:
    """("allocation" | "fill" | "view" | "copy" | "compute", what a fill fills with) of an ATen overload."""
    name = function.overloadpacket.__name__
    if name in ALLOCATIONS:
        return "allocation", None
    if name in FILLS:
        value = FILLS[name]
        if value is None and len(arguments) > 1 and isinstance(arguments[1], (int, float)):
            value = arguments[1]
        return ("compute", None) if value is None else ("fill", float(value))
    if function.is_view or name in _VIEWS:
        return "view", None
    return ("copy", None) if name in COPIES else ("compute", None)


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tells `seen` of every operation: name, kind, tensors in, tensors out, what a fill fills with."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = seen
        self.quiet = False
        """While set, nothing is told: torch is used by the interpreter itself."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self.quiet:
            kind, value = kind_of(func, args)
            self.seen(str(func), kind, _tensors((args, kwargs or {})), _tensors(result), value)
        return result


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [each for each in tree_leaves(tree) if isinstance(each, torch.Tensor)]
