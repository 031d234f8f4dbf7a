"""The kind `kernel`: Triton kernels of a named operator, judged by what a compiler and a checked interpreter show."""
