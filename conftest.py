"""What holds for every test and doctest."""

import pytest

from skelblocks.layouts import registry


@pytest.fixture(autouse=True)
def _leave_the_registry_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one global state of the package: layouts that a test registers are forgotten after it."""
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))
