"""What a run remembers, in one SQLite file."""
