"""A whole run: begin, continue, replay, hand over to other runs, other machines and experiments."""
