"""Stops itself, to be neither running nor dead.

Held at tiers 1 to 4.
"""

import signal

signal.raise_signal(signal.SIGSTOP)
