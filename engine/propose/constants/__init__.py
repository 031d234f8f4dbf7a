"""Candidates from CMA-ES over the numbers of a program."""
