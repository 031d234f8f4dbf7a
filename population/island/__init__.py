"""The population of an island: selection, culling, diversity, randomness."""
