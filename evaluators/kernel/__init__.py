"""The `kernel` kind: Triton kernels of an operator, judged by what a GPU would have to do for them."""
