"""Leaves a header with a number of 5,000 digits and one that is not a number.

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


forge(b'{"status": "finished", "text": "", "arrays": [["a", "<f8", [' + b"9" * 5000 + b"], NaN]]}")
