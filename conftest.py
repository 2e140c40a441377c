"""What holds for every test and doctest."""

import pytest
from hypothesis import HealthCheck, settings

from skelblocks.layouts import registry

# A loaded machine is slow, not wrong: no test fails by the clock.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _leave_the_registry_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one global state of the package: layouts that a test registers are forgotten after it."""
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))
