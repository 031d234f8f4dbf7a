"""What an NVIDIA device says of itself: SM clock and power, by NVML, which the driver brings along.

https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html. Reading takes microseconds and needs no
rights; nothing is ever set.
"""

import ctypes
from dataclasses import dataclass

_CLOCK_SM = 1
"""NVML_CLOCK_SM"""


@dataclass(frozen=True)
class Sensors:
    """What the device reports of itself; None where it does not."""

    sm_mhz: float | None = None
    watts: float | None = None


class Nvml:
    """Reads one device. Without NVML every reading is None."""

    def __init__(self, uuid: str) -> None:
        """`uuid` as `nvidia-smi -L` writes it, "GPU-…": the device whatever CUDA_VISIBLE_DEVICES says."""
        self._device = ctypes.c_void_p()
        self._library: ctypes.CDLL | None
        try:
            self._library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            self._library = None
            return
        if self._library.nvmlInit_v2() or self._library.nvmlDeviceGetHandleByUUID(
            uuid.encode(), ctypes.byref(self._device)
        ):
            self._library = None

    def read(self) -> Sensors:
        """Now."""
        if self._library is None:
            return Sensors()
        clock = self._number("nvmlDeviceGetClockInfo", _CLOCK_SM)
        milliwatts = self._number("nvmlDeviceGetPowerUsage")
        return Sensors(clock, None if milliwatts is None else milliwatts / 1000)

    def driver(self) -> str:
        """The driver's version, as "580.82.07"; empty without NVML."""
        text = ctypes.create_string_buffer(80)
        if self._library is None or self._library.nvmlSystemGetDriverVersion(text, ctypes.c_uint(80)):
            return ""
        return text.value.decode()

    def _number(self, function: str, *which: int) -> float | None:
        number = ctypes.c_uint()
        failed = getattr(self._library, function)(
            self._device, *map(ctypes.c_int, which), ctypes.byref(number)
        )
        return None if failed else float(number.value)
