"""Sends signals to its parent, to the supervisor, and to everybody.

Held at tiers 1 to 3.
"""

import ctypes
import os
import signal

for name, process in (("parent", os.getppid()), ("supervisor", CANARY["supervisor"]), ("everybody", -1)):
    try:
        os.kill(process, signal.SIGKILL)
        print("ESCAPED", name)
    except OSError as error:
        print("refused", name, error)
libc = ctypes.CDLL(None, use_errno=True)
for process in (os.getppid(), CANARY["supervisor"]):
    answer = libc.syscall(234, process, process, 9)
    print("ESCAPED" if answer == 0 else "refused tgkill", os.strerror(ctypes.get_errno()))
