"""Reads address zero.

Held at tiers 1 to 4.
"""

import ctypes

ctypes.string_at(0)
