"""Where the log of a reward search comes from, and its signals."""
