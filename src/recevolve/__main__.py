"""`python -m recevolve`: the command line."""

from .engine.cli import main

main()
