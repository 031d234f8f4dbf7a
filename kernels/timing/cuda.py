"""The CUDA driver by ctypes: loads binaries and launches them on torch's current context and stream.

https://docs.nvidia.com/cuda/cuda-driver-api/: group__CUDA__MODULE for loading, group__CUDA__EXEC for
cuFuncSetAttribute and cuLaunchKernel. Nothing here knows what a program is.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch

_STATIC_SHARED = 1
"""CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES"""
_MAX_DYNAMIC_SHARED = 8
"""CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"""
_WITHOUT_ASKING = 48 * 1024
"""Bytes of shared memory that a launch may use without an attribute (CUDA C++ programming guide, 9.0)."""


class LaunchRefused(RuntimeError):
    """The driver will not load or launch this code. The message is the driver's, with the call's name."""


class Driver:
    """Launches through libcuda. Needs an NVIDIA driver and a torch that sees its device."""

    def __init__(self) -> None:
        """Raises LaunchRefused where there is no driver."""
        torch.empty(1, device="cuda")  # makes the device's primary context, current in this thread
        try:
            self._library = ctypes.CDLL("libcuda.so.1")
        except OSError as missing:
            raise LaunchRefused(f"no NVIDIA driver: {missing}") from missing
        self._modules: list[ctypes.c_void_p] = []

    def load(self, code: bytes, kernel: str, shared: int) -> ctypes.c_void_p:
        """A handle of a function in a cubin or PTX text, ready for that much dynamic shared memory.

        Raises LaunchRefused where the driver will not have it.
        """
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), code)
        self._modules.append(module)
        self._call("cuModuleGetFunction", ctypes.byref(function), module, kernel.encode())
        if shared > _WITHOUT_ASKING:
            static = ctypes.c_int()
            self._call("cuFuncGetAttribute", ctypes.byref(static), _STATIC_SHARED, function)
            self._call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED, ctypes.c_int(shared))
        return function

    def launch(
        self,
        handle: ctypes.c_void_p,
        grid: tuple[int, int, int],
        threads: int,
        shared: int,
        parameters: Sequence["ctypes._SimpleCData[Any]"],
    ) -> None:
        """Enqueues on the current stream. Raises LaunchRefused."""
        addresses = (ctypes.c_void_p * len(parameters))(*(ctypes.addressof(each) for each in parameters))
        sizes = [ctypes.c_uint(each) for each in (*grid, threads, 1, 1, shared)]
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        self._call("cuLaunchKernel", handle, *sizes, stream, addresses, None)

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(code, ctypes.byref(text))
            why = text.value.decode() if text.value else "unknown"
            raise LaunchRefused(f"{name} answered {code}: {why}")
