"""Leaves marks on files that it may only read: locks, leases, hints, flags; and looks at what has no name for it.

Held at tiers 1 to 3.
"""

import fcntl
import os

TRIES = {
    "flock": lambda file: fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB),
    "lock": lambda file: fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB),
    "lease": lambda file: fcntl.fcntl(file, 1024, fcntl.F_RDLCK),
    "hint": lambda file: fcntl.fcntl(file, 1036, (2).to_bytes(8, "little")),
    "flags": lambda file: fcntl.ioctl(file, 0x80086601, bytes(8)),
    "attribute": lambda file: os.listxattr(f"/proc/self/fd/{file}"),
    "attributes of a path": lambda file: os.listxattr("/etc"),
    "folder": lambda file: os.chdir("/"),
}
FILES = [os.open(os.__file__, os.O_RDONLY), *range(3, 64)]


def f(x):
    for name, attempt in TRIES.items():
        for file in FILES:
            try:
                attempt(file)
            except OSError as error:
                if error.errno == 9:
                    continue
                print("refused", name, error.errno)
            else:
                print("ESCAPED", name, file)
    return x
