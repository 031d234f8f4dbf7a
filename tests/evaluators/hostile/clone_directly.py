"""Goes round os.fork with raw system calls: clone, clone3, vfork.

Held at tiers 1 to 3.
"""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
for name, arguments in {
    "clone": (56, 17, 0, 0, 0, 0),
    "clone3": (435, ctypes.create_string_buffer(88), 88),
}.items():
    answer = libc.syscall(*arguments)
    if answer == 0:
        os._exit(0)
    print("ESCAPED" if answer > 0 else "refused", name, os.strerror(ctypes.get_errno()))
