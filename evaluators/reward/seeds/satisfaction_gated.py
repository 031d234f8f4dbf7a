"""Expected watch time that counts only as far as users say that they are satisfied.

Valued watch time from surveys: Goodrow 2021, blog.youtube/inside-youtube/on-youtubes-recommendation-system;
the gate is a logistic curve of the predicted answer.
"""

import numpy

WEIGHTS = {"slope": 1.0, "middle": 0.0}


def reward(signals):
    gate = 1.0 / (1.0 + numpy.exp(WEIGHTS["slope"] * (WEIGHTS["middle"] - signals["survey"])))
    return signals["click"] * signals["watch"] * gate
