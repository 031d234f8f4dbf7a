"""Proposers: where new programs come from."""
