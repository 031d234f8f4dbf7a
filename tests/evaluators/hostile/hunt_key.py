"""Looks for an API key in the environment, in every object alive, and in the frames above it.

Held at tiers 1 to 4.
"""

import gc
import os
import sys

gc.unfreeze()
mark = "detnalp-ks"[::-1]
found = [name for name, value in os.environ.items() if mark in value or "KEY" in name]
for thing in gc.get_objects():
    if isinstance(thing, dict):
        for key, value in list(thing.items())[:5000]:
            for text in (key, value):
                if isinstance(text, str | bytes) and mark in str(text)[:5000] and text != mark:
                    found.append(repr(text))
frame = sys._getframe()
while frame := frame.f_back:
    found += [
        name for name, value in frame.f_locals.items() if isinstance(value, str) and mark in value[:5000]
    ]
print("ESCAPED" if found else "found nothing", found[:3])
