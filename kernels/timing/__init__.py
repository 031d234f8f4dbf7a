"""Measured times on a GPU."""
