"""The small click model that optimizers and interaction layers are trained in."""
