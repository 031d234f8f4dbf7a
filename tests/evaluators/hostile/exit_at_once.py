"""Ends the process before anything is written.

Held at tiers 1 to 4.
"""

import os

os._exit(0)
