"""What a user writes, checked; where a run keeps its files."""
