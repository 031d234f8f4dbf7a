"""Starts threads, up to 500.

Held at tiers 1 to 3.
"""

import threading
import time

count = 0
try:
    for _ in range(500):
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
        count += 1
except RuntimeError as error:
    print("refused", error)
print("ESCAPED" if count else "stopped at", count)
