"""Watch time: an item is worth its predicted watch time if clicked.

The quantity that YouTube's ranker learns by weighted logistic regression; Covington, Adams, Sargin 2016,
doi:10.1145/2959100.2959190, section 4.2.
"""

WEIGHTS = {}


def reward(signals):
    return signals["watch"]
