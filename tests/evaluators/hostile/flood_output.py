"""Prints 200 MB.

Held at tiers 1 to 4.
"""

import os

try:
    for _ in range(200):
        os.write(1, b"A" * (1 << 20))
    print("ESCAPED: 200 MB printed")
except OSError as error:
    os.write(2, b"refused")
