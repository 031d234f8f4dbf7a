"""`python -m recevolve`: the command line."""

from .engine.cli.main import main

main()
