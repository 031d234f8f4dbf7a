"""Click rate: an item is worth its predicted chance of a click.

Richardson, Dominowska, Ragno 2007, doi:10.1145/1242572.1242643.
"""

WEIGHTS = {}


def reward(signals):
    return signals["click"]
