"""Becomes root again.

Held at tiers 1 to 3.
"""

import os

for name, change in {"setuid": lambda: os.setuid(0), "setgid": lambda: os.setgid(0)}.items():
    before = os.getuid(), os.getgid()
    try:
        change()
        print("ESCAPED" if (os.getuid(), os.getgid()) != before else "nothing changed", name)
    except OSError as error:
        print("refused", name, error)
try:
    os.setgroups([0])
    print("ESCAPED setgroups")
except OSError as error:
    print("refused", error)
