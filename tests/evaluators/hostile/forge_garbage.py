"""Leaves random bytes.

Held at tiers 1 to 4.
"""

import os

for descriptor in range(3, 64):
    try:
        os.pwrite(descriptor, os.urandom(1 << 20), 0)
    except OSError:
        continue
os._exit(0)
