from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.attention import motion_difference

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def reference(z, motion, boundary):
    """One entry at a time, as the subtractions read."""

    def step(row, at):
        if at + 1 < len(row):
            return row[at + 1] - row[at]
        if boundary == "zero_pad":
            return 0 - row[at]
        return step(row, at - 1) if boundary == "replicate" and at > 0 else 0 * row[at]

    out = torch.zeros_like(z)
    for t in range(z.shape[-2]):
        for v in range(z.shape[-1]):
            frame = step([z[..., i, v] for i in range(z.shape[-2])], t)
            node = step([z[..., t, i] for i in range(z.shape[-1])], v)
            out[..., t, v] = {"both": (frame + node) / 2, "frame": frame, "node": node}[motion]
    return out


@pytest.mark.parametrize("motion", ["both", "frame", "node"])
@pytest.mark.parametrize("boundary", ["zero_pad", "zero_difference", "replicate"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1), (3, 1, 6), (2, 5, 1), (2, 2)])
def test_equals_the_slow_reference(motion, boundary, shape):
    z = torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(motion_difference(z, motion=motion, boundary=boundary), reference(z, motion, boundary))


def test_equals_the_released_code():
    with np.load(GOLDEN / "m2a_motion_f64.npz") as golden:
        x, both, frame, node = (torch.from_numpy(golden[key]) for key in ("x", "both", "shift_t", "shift_v"))
    assert motion_difference(x).equal(both)
    torch.testing.assert_close(motion_difference(x, motion="frame"), frame - x)
    torch.testing.assert_close(motion_difference(x, motion="node"), node - x)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(["zero_difference", "replicate"]))
def test_a_pose_that_stands_still_has_no_motion_but_at_a_padded_end(t, v, boundary):
    z = torch.randn(2, 1, v, dtype=torch.float64).expand(2, t, v)
    assert not motion_difference(z, motion="frame", boundary=boundary).any()
    padded = motion_difference(z, motion="frame")
    assert not padded[:, :-1].any()
    assert padded[:, -1].equal(-z[:, -1])


def test_the_order_of_joints_matters_for_nodes_and_not_for_frames():
    z, order = torch.randn(3, 6, 25), torch.randperm(25)
    assert motion_difference(z[..., order], motion="frame").equal(motion_difference(z, motion="frame")[..., order])
    assert not motion_difference(z[..., order], motion="node").allclose(motion_difference(z, motion="node")[..., order])


def test_wrong_arguments_say_what_was_expected():
    with pytest.raises(ValueError, match=r"z: expected at least 2 axes \(\.\.\., t, v\)"):
        motion_difference(torch.zeros(3))
    with pytest.raises(ValueError, match="motion: expected one of 'both', 'frame', 'node', got 'time'"):
        motion_difference(torch.zeros(3, 4), motion="time")
    with pytest.raises(ValueError, match="boundary: expected one of"):
        motion_difference(torch.zeros(3, 4), boundary="circular")
