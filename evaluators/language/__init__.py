"""The language of candidates: rules, canonical text, edits' vocabulary."""
