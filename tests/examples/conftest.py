import pytest
from small_run import small_options

from skelblocks.training import load_page


@pytest.fixture(params=["skeletonclr", "aimclr", "msmclr", "skeattnclr", "actclr", "pstl", "isc"])
def page(request):
    """The page of each method of one contrast."""
    return load_page(request.param)


@pytest.fixture
def small(tmp_path):
    """Options for a run of seconds: ``small(page, epochs=1)``."""
    return lambda page, /, **changes: small_options(page, **{"folder": str(tmp_path / "run"), **changes})
