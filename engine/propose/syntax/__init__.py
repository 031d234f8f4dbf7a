"""Candidates from typed edits of syntax trees."""
