import importlib
from types import SimpleNamespace

import pytest
from small_run import SMALL


@pytest.fixture(params=["skeletonclr", "aimclr", "msmclr", "skeattnclr"])
def example(request):
    """Each method's script, by name."""
    return SimpleNamespace(name=request.param, script=importlib.import_module(f"train_{request.param}"))


@pytest.fixture
def small(tmp_path):
    """Options for a run of seconds: ``small(script, epochs=1)``."""

    def make(script, **changes):
        return script.Options(folder=str(tmp_path / "run"), **{**SMALL, **changes})

    return make
