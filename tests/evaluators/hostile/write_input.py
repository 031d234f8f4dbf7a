"""Writes into the arrays that other candidates will be sent too.

Held at tiers 1 to 4.
"""

import os


def f(x):
    x[:] = 7.0
    for descriptor in range(3, 64):
        try:
            os.pwrite(descriptor, b"\7" * 4096, 0)
        except OSError:
            continue
    return x
