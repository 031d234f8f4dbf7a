"""A weighted sum of engagement and satisfaction, with time on a logarithmic scale.

Weights over several predicted objectives: Zhao et al. 2019, doi:10.1145/3298689.3346997; surveys beside
clicks and time: Goodrow 2021, blog.youtube/inside-youtube/on-youtubes-recommendation-system.
"""

import numpy

WEIGHTS = {"click": 1.0, "watch": 0.2, "like": 5.0, "survey": 0.1}


def reward(signals):
    time = numpy.log1p(signals["watch"])
    engaged = WEIGHTS["click"] * signals["click"] + WEIGHTS["watch"] * time
    return engaged + WEIGHTS["like"] * signals["like"] + WEIGHTS["survey"] * signals["survey"]
