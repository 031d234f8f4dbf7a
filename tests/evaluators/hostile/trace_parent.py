"""Attaches to its parent as a debugger, and to its memory as a file.

Held at tiers 1 to 3.
"""

import ctypes
import os
import resource

libc = ctypes.CDLL(None, use_errno=True)
parent = os.getppid()
answer = libc.ptrace(16, parent, None, None)
print("ESCAPED" if answer == 0 else "refused ptrace", os.strerror(ctypes.get_errno()))
for place in (f"/proc/{parent}/mem", f"/proc/{CANARY['supervisor']}/mem"):
    try:
        open(place, "r+b").close()
        print("ESCAPED", place)
    except OSError as error:
        print("refused", error)
try:
    resource.prlimit(parent, resource.RLIMIT_CPU, (1, 1))
    print("ESCAPED: limited its parent")
except OSError as error:
    print("refused prlimit", error)
buffer = ctypes.create_string_buffer(8)
answer = libc.process_vm_readv(parent, buffer, 1, buffer, 1, 0)
print("ESCAPED" if answer > 0 else "refused process_vm_readv", os.strerror(ctypes.get_errno()))
