"""Read-only views of a run for people: status, programs, alignment, prompts."""
