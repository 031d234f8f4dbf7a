"""Reaches for the calls in which kernels had holes: namespaces, io_uring, bpf, keys, perf, userfaultfd.

Held at tiers 1 to 3.
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
zeros = ctypes.create_string_buffer(256)
calls = {
    "unshare": (272, 0x10000000),
    "mount": (165, zeros, zeros, zeros, 0, 0),
    "io_uring": (425, 4, zeros),
    "bpf": (321, 0, zeros, 120),
    "perf": (298, zeros, 0, -1, -1, 0),
    "keyctl": (250, 0, -3, 1, 0, 0),
    "userfaultfd": (323, 1),
    "personality": (135, 0xFFFFFFFF),
    "a call of tomorrow": (470, 0),
    "openat2": (437, -100, b"/etc/passwd", zeros, 24),
}
for name, arguments in calls.items():
    answer = libc.syscall(*arguments)
    print("ESCAPED" if answer >= 0 else "refused", name, os.strerror(ctypes.get_errno()))
