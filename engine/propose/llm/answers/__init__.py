"""From a model's answer to a program text."""
