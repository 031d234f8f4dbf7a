"""Stops the clock, replaces every score function in memory and the JSON writer, then never ends.

Held at tiers 1 to 4.
"""

import json
import sys
import time

import numpy

time.perf_counter = time.monotonic = time.time = lambda: 0.0
for module in list(sys.modules.values()):
    for name in ("score", "evaluate", "run", "read", "_judge"):
        try:
            setattr(module, name, lambda *arguments, **keywords: 1e9)
        except (AttributeError, TypeError):
            continue
json.dumps = lambda *arguments, **keywords: '{"status": "finished", "arrays": [], "text": ""}'
numpy.allclose = lambda *arguments, **keywords: True
while True:
    pass
