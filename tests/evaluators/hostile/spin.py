"""Never ends.

Held at tiers 1 to 4.
"""

while True:
    pass
