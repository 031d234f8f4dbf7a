"""One Hypothesis profile for all tests: a busy machine fails no test, only a wrong answer does."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
