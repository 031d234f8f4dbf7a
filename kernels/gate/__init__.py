"""The checks that a kernel must pass before it is timed."""
