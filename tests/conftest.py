"""Settings of all tests."""

from hypothesis import HealthCheck, settings

# Time never decides whether a test passes: a machine may be busy.
settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("timeless")
