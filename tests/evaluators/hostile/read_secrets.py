"""Reads files that are none of its business.

Held at tiers 1 to 2.
"""

import os

places = (
    CANARY["secret"],
    "/etc/passwd",
    "/etc/shadow",
    os.path.expanduser("~/.ssh/id_rsa"),
    f"/proc/{os.getppid()}/environ",
    "/proc/1/environ",
    f"/proc/{CANARY['supervisor']}/environ",
    "/proc/self/maps",
)
for place in places:
    try:
        with open(place, "rb") as file:
            print("ESCAPED" if file.read(100) else "empty", place)
    except OSError as error:
        print("refused", place, error)
