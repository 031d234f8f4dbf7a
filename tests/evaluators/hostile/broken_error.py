"""Raises an exception that cannot be printed.

Held at tiers 1 to 4.
"""


class Error(BaseException):
    def __str__(self):
        raise SystemExit(1)

    __repr__ = __str__


raise Error
