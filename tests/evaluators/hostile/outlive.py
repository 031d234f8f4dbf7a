"""Unties itself from its parent and from its group, so that nothing takes it along.

Held at tiers 1 to 3.
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
for name, option in (("parent-death signal", 1), ("dumpable", 4)):
    answer = libc.prctl(option, 0 if option == 1 else 1, 0, 0, 0)
    print("ESCAPED" if answer == 0 else "refused", name, os.strerror(ctypes.get_errno()))
for name, untie in (("session", os.setsid), ("group", lambda: os.setpgid(0, 0))):
    try:
        untie()
        print("ESCAPED", name)
    except OSError as error:
        print("refused", name, error)
