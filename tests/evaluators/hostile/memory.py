"""Reserves 100 GB, then touches 3 GB.

Held at tiers 1 to 4.
"""

try:
    everything = bytearray(100 << 30)
    print("ESCAPED: 100 GB reserved")
except MemoryError:
    print("refused 100 GB")
hoard = []
try:
    for _ in range(48):
        hoard.append(bytearray(b"\1") * (64 << 20))
    print("ESCAPED: 3 GB touched")
except MemoryError:
    print("refused after", 64 * len(hoard), "MB")
