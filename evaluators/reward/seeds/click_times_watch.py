"""Expected watch time: chance of a click times watch time if clicked.

Covington, Adams, Sargin 2016, doi:10.1145/2959100.2959190: watch time per impression, the
objective that replaced click rate.
"""

WEIGHTS = {}


def reward(signals):
    return signals["click"] * signals["watch"]
