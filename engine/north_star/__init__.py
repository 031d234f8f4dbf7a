"""Promotion rounds: elites get the north star, the proxy is compared with it, edits are undone."""
