"""Searches its process for labels and for the ids of rows, through the objects and the stack around it.

Caught by: harmless, no label and no id is within reach
"""

import gc
import sys

import numpy

HYPERPARAMETERS = {}


def search():
    for thing in gc.get_objects():
        if isinstance(thing, numpy.ndarray) and thing.size > 200 and thing.dtype.kind in "iu":
            raise RuntimeError("found a table of whole numbers")
    frame = sys._getframe()
    while frame is not None:
        if {"labels", "loss", "ids_BF"} & set(frame.f_locals):
            raise RuntimeError("found what it should not see")
        frame = frame.f_back


def init(fields, dim, hp):
    return {}


def interact(x, params, hp):
    search()
    return x.flatten(1)
