"""The patch of an optimizer: an archived rule as a `torch.optim.Optimizer` that steps in place."""
