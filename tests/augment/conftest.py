from pathlib import Path

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).parents[1] / "golden"


def _clips(name):
    """Arrays of the official code; single clips (c, t, v, m) become batches of one."""
    with np.load(GOLDEN / name) as arrays:
        loaded = {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    return {key: value[None] if value.ndim == 4 else value for key, value in loaded.items()}


@pytest.fixture(scope="session")
def official():
    """AimCLR and MsMCLR."""
    return _clips("aug_aimclr_msmclr_f64.npz")


@pytest.fixture(scope="session")
def ascal():
    """AS-CAL and ISC."""
    return _clips("aug_ascal_isc.npz")


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def assert_golden():
    """Equal to the official float64 result in float64, and in float32 within its precision."""

    def check(op, x, expected):
        torch.testing.assert_close(op(x), expected, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(op(x.float()), expected.float(), rtol=1e-4, atol=1e-5)

    return check
