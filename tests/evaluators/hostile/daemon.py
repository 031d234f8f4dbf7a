"""Leaves a process behind that outlives it.

Held at tiers 1 to 3.
"""

import ctypes
import os
import time

try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(15, b"hostiledaemon", 0, 0, 0)
            os.closerange(0, 256)
            time.sleep(8)
        os._exit(0)
    print("ESCAPED: a daemon is up")
except OSError as error:
    print("refused", error)
