"""Raises an exception whose text is endless, coloured, and half a surrogate pair.

Held at tiers 1 to 4.
"""


class Error(Exception):
    def __str__(self):
        return "\x1b[2J\x1b]0;pwned\x07 \ud800 \u202e " + "A" * (1 << 24)


raise Error
