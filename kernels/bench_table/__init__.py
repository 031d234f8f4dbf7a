"""The rows of the kernel bench."""
