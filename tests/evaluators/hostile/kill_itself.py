"""Dies by SIGKILL, as if memory had run out."""

import signal

signal.raise_signal(signal.SIGKILL)
