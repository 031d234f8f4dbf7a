"""Leaves a header nested 60,000 deep.

Held at tiers 1 to 4.
"""

import json
import os
import struct


def forge(text):
    for descriptor in range(3, 64):
        try:
            os.pwrite(descriptor, struct.pack("<Q", len(text)) + text, 0)
        except OSError:
            continue
    os._exit(0)


forge(b"[" * 60000)
