"""Shrinks and grows the files that it was given, and writes to its inputs.

Held at tiers 1 to 4.
"""

import os

for descriptor in range(3, 64):
    for size in (0, 1 << 40):
        try:
            os.ftruncate(descriptor, size)
            print("ESCAPED: resized", descriptor)
        except OSError as error:
            if error.errno != 9:
                print("refused", descriptor, error)
