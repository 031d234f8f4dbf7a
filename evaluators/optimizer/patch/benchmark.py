"""What optimizers take: time of a step, memory of what it computes on the way, sparse gradients, one graph.

Needs torch alone.
"""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WORKLOADS: Mapping[str, Sequence[tuple[int, ...]]] = {
    "50 tensors of 64 x 64": ((64, 64),) * 50,
    "one table of 100,000 x 16": ((100_000, 16),),
}
"""Shapes of weights: many small ones, where calls cost, and a large one, where memory does."""
Make = Callable[[Sequence[Tensor]], Optimizer]
REFERENCES: Mapping[str, Make] = {
    "Adam(foreach=True)": lambda params: torch.optim.Adam(params, foreach=True),
    "AdamW(foreach=True)": lambda params: torch.optim.AdamW(params, foreach=True),
    "Adagrad(foreach=True)": lambda params: torch.optim.Adagrad(params, foreach=True),
    "RMSprop(foreach=True)": lambda params: torch.optim.RMSprop(params, foreach=True),
    "SGD(momentum=0.9, foreach=True)": lambda params: torch.optim.SGD(params, momentum=0.9, foreach=True),
}
"""Optimizers of torch.optim to compare with."""
STEPS = 40


def weights(shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Weights of these shapes with a gradient each; the same numbers each time."""
    rng = torch.Generator().manual_seed(0)
    params = [torch.randn(shape, generator=rng).requires_grad_() for shape in shapes]
    for param in params:
        param.grad = torch.randn(param.shape, generator=rng) * 0.01
    return params


class Allocated(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that are made under it: those alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: int = 0
        self.peak: int = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for given in _storages((args, kwargs)):
            self.note(given, 0)
        result = func(*args, **(kwargs or {}))
        for made in _storages(result):
            self.note(made, made.nbytes())
        self.peak = max(self.peak, self.alive)
        return result

    def note(self, storage: torch.UntypedStorage, size: int) -> None:
        """Counts a storage when it is seen first, and until it is gone."""
        if storage._cdata not in self.seen:
            self.seen.add(storage._cdata)
            self.alive += size
            weakref.finalize(storage, self.gone, storage._cdata, size)

    def gone(self, storage: int, size: int) -> None:
        self.seen.discard(storage)
        self.alive -= size


def temporaries(optimizer: Optimizer) -> int:
    """The most bytes that a step holds beside parameters, gradients and state, which must be there."""
    allocated = Allocated()
    with allocated:
        optimizer.step()
    return allocated.peak


def _storages(nested: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)]


def seconds(optimizers: Sequence[Optimizer], steps: int = STEPS) -> list[float]:
    """The median time of a step of each. They take turns, so that a busy machine slows all."""
    times: list[list[float]] = [[] for _ in optimizers]
    for _ in range(steps):
        for optimizer, taken in zip(optimizers, times, strict=True):
            begin = time.perf_counter()
            optimizer.step()
            taken.append(time.perf_counter() - begin)
    return [median(taken[len(taken) // 8 :]) for taken in times]


def takes_sparse(make: Make) -> bool:
    """Whether a step accepts the gradient of an embedding with `sparse=True`."""
    table = torch.nn.Embedding(8, 2, sparse=True)
    table(torch.tensor([1, 3])).sum().backward()
    try:
        make(list(table.parameters())).step()
    except RuntimeError:
        return False
    return True


def compiles(make: Make) -> bool:
    """Whether `torch.compile(optimizer.step, fullgraph=True)` makes one graph of a step."""
    import torch._dynamo

    step = torch.compile(make(weights([(4, 3), (5,)])).step, fullgraph=True, backend="eager")
    try:
        step()
    except torch._dynamo.exc.TorchDynamoException:
        return False
    return True


def table(optimizers: Mapping[str, Make]) -> str:
    """A Markdown table, a row for each optimizer; it takes some seconds."""
    lines = [
        ["optimizer", *WORKLOADS, *(f"temporaries, {name}" for name in WORKLOADS), "sparse", "one graph"]
    ]
    rows = {name: [name] for name in optimizers}
    for shapes in WORKLOADS.values():
        made = [make(weights(shapes)) for make in optimizers.values()]
        for row, taken in zip(rows.values(), seconds(made), strict=True):
            row.append(f"{taken * 1e3:.2f} ms")
    for shapes in WORKLOADS.values():
        for row, make in zip(rows.values(), optimizers.values(), strict=True):
            optimizer = make(weights(shapes))
            optimizer.step()
            row.append(f"{temporaries(optimizer) / 2**20:.2f} MiB")
    for row, make in zip(rows.values(), optimizers.values(), strict=True):
        row += ["yes" if answer else "no" for answer in (takes_sparse(make), compiles(make))]
    lines += [["---"] * len(lines[0]), *rows.values()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
