"""Fills every place that looks writable, up to 300 MB each.

Held at tiers 1 to 3.
"""

import os

for folder in (".", "/tmp", "/dev/shm", CANARY["folder"]):
    try:
        with open(os.path.join(folder, "hostile_fill"), "wb") as file:
            for _ in range(300):
                file.write(b"\1" * (1 << 20))
                file.flush()
        print("ESCAPED: 300 MB in", folder)
    except OSError as error:
        print("refused", folder, error)
