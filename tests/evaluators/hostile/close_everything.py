"""Closes every descriptor, standard streams and all.

Held at tiers 1 to 4.
"""

import os

os.closerange(0, 1024)
