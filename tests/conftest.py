"""Settings of all tests."""

import pytest
from hypothesis import HealthCheck, settings

# Time never decides whether a test passes: a machine may be busy.
settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("timeless")


@pytest.fixture(autouse=True)
def _tensorflow_is_set_up_first(request: pytest.FixtureRequest) -> None:
    """Its number of threads can be set before its first operation only, whoever asks for that."""
    if request.node.get_closest_marker("training") is not None:
        from pipeline.training.tensorflow_setup import tensorflow

        tensorflow()
