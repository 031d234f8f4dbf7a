"""Leaves by an exception that is not an Exception.

Held at tiers 1 to 4.
"""

raise SystemExit(0)
