"""Breaks numpy, builtins and the sandbox's own modules for whoever comes next.

Held at tiers 1 to 4.
"""

import builtins
import sys

import numpy

numpy.tanh = lambda x: x * 0 + 1e9
numpy.float64 = None
sys.modules["recevolve.evaluators.sandbox.inside"].load = None
sys.modules["recevolve.evaluators.sandbox.runners"].call = None
builtins.len = lambda x: 7
