"""Raises its own limits.

Held at tiers 1 to 4.
"""

import resource

for name in ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC"):
    try:
        resource.setrlimit(getattr(resource, name), (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("ESCAPED", name)
    except (OSError, ValueError) as error:
        print("refused", name, error)
