"""North-star experiments: rules, rounds, readings from outside, outcomes."""
