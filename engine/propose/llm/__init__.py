"""Candidates from language models: asking, paying, comparing."""
