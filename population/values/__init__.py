"""Plain values: programs, verdicts, evaluations, experiments."""
