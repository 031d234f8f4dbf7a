"""Users who come back or do not: simulated people whom a ranking policy pleases or tires."""

from .exploration import Exploration, explore
from .lives import Lives, Totals, simulate
from .parameters import SCENARIOS, Parameters, scenario
from .sessions import Policy, click_times_watch
from .world import Users, World, make_users, make_world

__all__ = [
    "SCENARIOS",
    "Exploration",
    "Lives",
    "Parameters",
    "Policy",
    "Totals",
    "Users",
    "World",
    "click_times_watch",
    "explore",
    "make_users",
    "make_world",
    "scenario",
    "simulate",
]
