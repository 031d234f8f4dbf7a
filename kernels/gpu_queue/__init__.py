"""Programs that wait for a GPU: recorded, written, read."""
