"""Has the kernel send a signal to the supervisor, as owner of a pipe with asynchronous input.

Held at tiers 1 to 3.
"""

import fcntl
import os

read, write = os.pipe()
for name, command, argument in (
    ("F_SETOWN", fcntl.F_SETOWN, CANARY["supervisor"]),
    ("F_SETOWN parent", fcntl.F_SETOWN, os.getppid()),
    ("F_SETSIG", 10, 9),
):
    try:
        fcntl.fcntl(read, command, argument)
        print("ESCAPED", name)
    except OSError as error:
        print("refused", name, error)
fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
os.write(write, b"x")
