"""Raises an exception that cannot be printed."""


class Error(BaseException):
    def __str__(self):
        raise SystemExit(1)

    __repr__ = __str__


raise Error
