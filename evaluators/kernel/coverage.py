"""Whether the launches at real sizes can have written whole outputs, seen from a few of their programs."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ...kernels.record import launches
from ...kernels.record.launches import Recorder
from .settings import Settings

MORE = 12
"""Programs looked at one by one where the first few do not suffice."""


def covered(
    call: Callable[[], Any], recorder: Recorder, outputs: Mapping[str, Tensor], settings: Settings
) -> dict[str, float]:
    """For each output, the share of it that the grids can have written, 1 where all of it.

    The bytes that sampled programs stored, times grid over sample; where that is not the whole,
    the most that one of MORE programs stored, times the grid.
    """
    means = {name: _scaled(recorder, tensor) for name, tensor in outputs.items()}
    if all(share >= 1 for share in means.values()):
        return means
    most = dict(means)
    for number in range(MORE):
        with launches.offline(
            execute="sample", programs=1, seed=settings.seed + number + 1, compiles=False, assemble=False
        ) as single:
            again = call()
        for name, tensor in zip(outputs, again, strict=True):
            most[name] = max(most[name], _scaled(single, tensor))
    return most


def _scaled(recorder: Recorder, tensor: Tensor) -> float:
    """Bytes that the sampled programs stored, times grid over sample, over the tensor's; at most 1."""
    if not tensor.numel():
        return 1.0
    storage, total = recorder.storage(tensor), 0.0
    for launch in recorder.launches:
        for name, moved in launch.account.traffic.items() if launch.account else ():
            if any(getattr(launch.arguments.get(part), "storage", -1) == storage for part in name.split("+")):
                total += (moved.store_lanes + moved.atomic_sectors) * launch.account.scale  # type: ignore[union-attr]
    return min(1.0, total / (tensor.numel() * tensor.element_size()))
