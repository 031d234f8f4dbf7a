"""Programs that wait for a GPU: written, read, measured."""
