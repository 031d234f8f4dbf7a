"""Recurses through C until the stack is gone.

Held at tiers 1 to 4.
"""

import sys

sys.setrecursionlimit(10**9)


def deeper():
    return sorted([1], key=lambda _: deeper())


deeper()
