"""Forks as often as it may, up to 200 children that end by themselves.

Held at tiers 1 to 3.
"""

import ctypes
import os
import time

children = 0
try:
    while children < 200:
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(15, b"hostilefork", 0, 0, 0)
            time.sleep(8)
            os._exit(0)
        children += 1
except OSError as error:
    print("refused", error)
print("ESCAPED" if children else "stopped at", children)
