import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.data import fill_gaps

HOW = ("keep", "interpolate", "hold", "repeat")


def clip(frames, persons, *, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    seen = rng.random((frames, persons)) < rng.uniform(0.1, 1)
    x = rng.standard_normal((3, frames, 4, persons)).astype(dtype)
    return np.where(seen[:, None], x, 0).astype(dtype), seen


def reference(x, seen, how):
    out = np.zeros_like(x)
    for m in range(x.shape[3]):
        poses = [x[:, t, :, m] if seen[t, m] else None for t in range(len(seen))]
        if how == "repeat" and any(pose is not None for pose in poses):
            if poses[0] is None:
                poses = [pose for pose in poses if pose is not None]
                poses += [None] * (len(seen) - len(poses))
            length = max(t for t, pose in enumerate(poses) if pose is not None) + 1
            times = math.ceil(len(poses) / length)
            poses = (poses[:length] * times)[: len(poses)]
        for t, pose in enumerate(poses):
            if pose is None and how in ("interpolate", "hold"):
                before = [s for s in range(t) if poses[s] is not None]
                after = [s for s in range(t, len(poses)) if poses[s] is not None]
                if before and after:
                    a, b = before[-1], after[0]
                    weight = (t - a) / (b - a) if how == "interpolate" else 0
                    pose = (1 - weight) * x[:, a, :, m] + weight * x[:, b, :, m]
            if pose is not None:
                out[:, t, :, m] = pose
    return out


@given(st.integers(1, 12), st.integers(0, 3), st.integers(0, 2**32 - 1), st.sampled_from(HOW))
@settings(max_examples=150, deadline=None)
def test_equals_the_slow_reference(frames, persons, seed, how):
    x, seen = clip(frames, persons, seed=seed)
    np.testing.assert_allclose(fill_gaps(x, seen, how=how), reference(x, seen, how), rtol=0, atol=1e-12)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from(HOW[:3]))
@settings(max_examples=60, deadline=None)
def test_what_is_seen_stays_and_so_does_the_length(frames, seed, how):
    x, seen = clip(frames, 2, seed=seed, dtype=np.float32)
    before = x.copy()
    y = fill_gaps(x, seen, how=how)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert (y.swapaxes(1, 2)[..., seen] == x.swapaxes(1, 2)[..., seen]).all()
    np.testing.assert_array_equal(fill_gaps(y, (y != 0).any(axis=(0, 2)), how=how), y)
    y[:] = 9
    np.testing.assert_array_equal(x, before)


def test_ends_stay_zero_and_an_absent_person_does():
    x, _ = clip(8, 2)
    seen = np.zeros((8, 2), dtype=bool)
    seen[[2, 5], 0] = True
    for how in ("interpolate", "hold"):
        y = fill_gaps(x, seen, how=how)
        assert (y[:, [0, 1, 6, 7]] == 0).all()
        assert (y[:, 2:6, :, 0] != 0).all() or how == "interpolate"
        assert (y[..., 1] == 0).all()
    assert (fill_gaps(x, seen, how="repeat")[..., 1] == 0).all()


def test_whatever_stands_in_a_gap_is_not_read():
    x, seen = clip(8, 2, seed=3)
    other = np.where(seen[:, None], x, np.nan)
    for how in HOW:
        np.testing.assert_array_equal(fill_gaps(other, seen, how=how), fill_gaps(x, seen, how=how))


def test_wrong_arguments_are_named():
    x, seen = clip(4, 2)
    with pytest.raises(ValueError, match="how: expected one of 'keep', 'interpolate', 'hold', 'repeat', got 'cut'"):
        fill_gaps(x, seen, how="cut")
    with pytest.raises(TypeError, match="x: expected a floating-point numpy array, got int64"):
        fill_gaps(x.astype(np.int64), seen)
    with pytest.raises(ValueError, match=r"x: expected 4 axes \(c, t, v, m\)"):
        fill_gaps(x[0], seen)
    with pytest.raises(TypeError, match="seen: expected a boolean numpy array, got list"):
        fill_gaps(x, seen.tolist())
    with pytest.raises(ValueError, match=r"seen: expected \(t, m\) = \(4, 2\) or .* as in x, got shape \(2, 4\)"):
        fill_gaps(x, seen.T)
