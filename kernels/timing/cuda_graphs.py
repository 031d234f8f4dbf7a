"""The clock's device on a GPU: CUDA graphs of (flush L2, event, call, event), one call on each set of inputs.

Inside a graph no host time can come between the events. Events are recorded as graph nodes of their own, with
`external=True`: cudaEventRecordExternal, https://github.com/pytorch/pytorch/pull/155372 and torch.cuda.Event.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from .sensors import Nvml, Sensors

EMPTY = "empty"
"""The contender that does nothing: what the two events alone are measured at."""
_WARM_UPS = 3
_FLUSH_BYTES = 256 << 20
"""Written before each cold call: more than any L2 so far (H100 50 MB, B200 126 MB)."""

Call = Callable[[], object]
Build = Callable[[], Call]
"""Makes a call ready on the current stream: autograd runs a backward pass on the stream of its forward."""


class Captured:
    """Times calls on the current CUDA device. Everything is prepared before the first round."""

    def __init__(self, builds: Mapping[str, Sequence[Build]], flush: bool, sensors: Nvml) -> None:
        """`builds`: by contender, one for each set of inputs. `flush`: cold calls, else warm ones.

        A contender that raises while it is captured is left out, and stands in `failed`.
        """
        torch.compiler.reset()  # what was compiled for other shapes counts against a limit, then eager runs
        self.failed: dict[str, str] = {}
        self._sensors = sensors
        self._graphs: dict[str, torch.cuda.CUDAGraph] = {}
        self._events: dict[str, list[tuple[torch.cuda.Event, torch.cuda.Event]]] = {}
        self._flushed = torch.empty(_FLUSH_BYTES, dtype=torch.uint8, device="cuda") if flush else None
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._kept: list[Any] = []
        sets = max((len(each) for each in builds.values()), default=1)
        for name, several in {**builds, EMPTY: [lambda: _nothing] * sets}.items():
            try:
                self._capture(name, several)
            except (RuntimeError, ValueError, TypeError) as error:  # what capturing and compiling raise
                torch.cuda.synchronize()
                self.failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"

    def _capture(self, name: str, builds: Sequence[Build]) -> None:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            calls = [build() for build in builds]
            for call in calls * _WARM_UPS:
                call()
        torch.cuda.synchronize()
        events = [(_event(), _event()) for _ in calls]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            for call, (start, end) in zip(calls, events, strict=True):
                if self._flushed is not None:
                    self._flushed.zero_()
                start.record()
                self._kept.append(call())
                end.record()
        self._kept += calls
        self._graphs[name], self._events[name] = graph, events

    def seconds(self, contender: str) -> list[float]:
        """One sample: seconds of one call on each of the input sets, in their order."""
        self.replay(contender)
        return [start.elapsed_time(end) / 1e3 for start, end in self._events[contender]]

    def replay(self, contender: str) -> None:
        """All calls of a contender once more, and waits for them."""
        self._graphs[contender].replay()
        torch.cuda.synchronize()

    def sensors(self) -> Sensors:
        return self._sensors.read()

    def contenders(self) -> list[str]:
        """Those that could be captured, in the order they were given; the empty one last."""
        return list(self._graphs)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True, external=True)  # type: ignore[no-untyped-call]


def _nothing() -> None:
    """An empty call."""


def copy_bandwidth(sensors: Nvml, size: int = 1 << 30) -> float:
    """Bytes per second of copying `size` bytes to another place on the device, reads and writes together."""
    seconds = _copy_seconds(sensors, size)
    torch.cuda.empty_cache()
    return 2 * size / seconds


def _copy_seconds(sensors: Nvml, size: int) -> float:
    source = torch.zeros(size, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    device = Captured({"copy": [lambda: lambda: target.copy_(source)]}, flush=True, sensors=sensors)
    return sorted(device.seconds("copy")[0] for _ in range(11))[5]
