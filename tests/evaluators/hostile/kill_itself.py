"""Dies by SIGKILL, as if memory had run out.

Held at tiers 1 to 4.
"""

import signal

signal.raise_signal(signal.SIGKILL)
