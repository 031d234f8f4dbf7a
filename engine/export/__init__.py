"""From an archived program to a patch."""
