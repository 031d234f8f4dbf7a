"""Searches the disk for the log, and the objects of its process for more rows than it is trained on.

Caught by: harmless, no held-out row is within reach
"""

import gc
import pathlib

import numpy

HYPERPARAMETERS = {"lr": 0.1}


def search():
    for place in ("/root", "/home", "/tmp"):
        try:
            if list(pathlib.Path(place).rglob("recbole*.whl")):
                raise RuntimeError("found the log on disk")
        except OSError:
            pass
    tables = [
        a for a in gc.get_objects() if isinstance(a, numpy.ndarray) and a.dtype == numpy.int32 and a.ndim == 2
    ]
    if any(len(table) > 3_000 for table in tables):
        raise RuntimeError("found more rows than it is trained on")


def init(param):
    search()
    return {}


def update(grad, state, param, step, hp):
    return param - hp["lr"] * grad, {}
