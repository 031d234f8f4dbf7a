"""Ignores every signal that it can, and sleeps.

Held at tiers 1 to 4.
"""

import signal
import time

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1)
