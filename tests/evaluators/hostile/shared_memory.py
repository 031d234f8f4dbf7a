"""Hoards memory where the limit on address space does not look: memfd, System V, pipes.

Held at tiers 1 to 3.
"""

import ctypes
import fcntl
import os

libc = ctypes.CDLL(None, use_errno=True)
try:
    file = os.memfd_create("hoard")
    for _ in range(3000):
        os.write(file, b"\1" * (1 << 20))
    print("ESCAPED: 3 GB in a memfd")
except OSError as error:
    print("refused memfd", error)
print(
    "ESCAPED" if libc.shmget(0, 1 << 30, 0o1600) >= 0 else "refused shmget", os.strerror(ctypes.get_errno())
)
hoarded = 0
try:
    for _ in range(1000):
        _, end = os.pipe()
        fcntl.fcntl(end, 1031, 1 << 20)
        os.set_blocking(end, False)
        hoarded += os.write(end, b"\1" * (1 << 20))
    print("ESCAPED: 1 GB in pipes")
except OSError as error:
    print("refused pipes after", hoarded >> 20, "MB", error)
