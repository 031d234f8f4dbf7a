"""Leaves a header that claims an array of 2^60 elements.

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


forge(json.dumps({"status": "finished", "text": "", "arrays": [["out", "<f8", [2**30, 2**30], 0]]}).encode())
