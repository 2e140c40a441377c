from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.data import align_view, center, resample

GOLDEN = Path(__file__).parents[2] / "golden"


def clips(shape, *, seed=0, lost=()):
    """Random clips; `lost` lists (sample, frame, person) without anybody."""
    x = np.random.default_rng(seed).standard_normal(shape)
    for n, t, m in lost:
        x[n, :, t, :, m] = 0
    return x


def reference(x, joint, per, body):
    """One sample, person and frame at a time."""
    out = np.zeros_like(x)
    n_clips, _, frames, _, persons = x.shape
    for n in range(n_clips):
        there = [[x[n, :, t, :, m].any() for t in range(frames)] for m in range(persons)]
        for m in range(persons):
            leader = m if body == "own" else next((p for p in range(persons) if any(there[p])), m)
            known = [t for t in range(frames) if there[leader][t]]
            for t in range(frames):
                if there[m][t]:
                    before = [s for s in known if s <= t]
                    source = known[0] if per == "clip" or not before else before[-1]
                    out[n, :, t, :, m] = x[n, :, t, :, m] - x[n, :, source, joint, leader][:, None]
    return out


@pytest.mark.parametrize("per", ["frame", "clip"])
@pytest.mark.parametrize("body", ["own", "first"])
@pytest.mark.parametrize("shape", [(1, 3, 1, 25, 1), (3, 3, 6, 20, 2), (2, 2, 5, 17, 2)])
def test_equals_the_slow_reference_with_gaps_and_absent_persons(per, body, shape):
    lost = [(0, t, shape[4] - 1) for t in range(shape[2])] if shape[4] == 2 else []  # an absent second person
    if shape[0] > 1:
        lost += [(1, 0, 0), (1, 3, 0), (1, 4, 0)]  # the first one comes late, and is lost
    x = clips(shape, lost=lost)
    np.testing.assert_allclose(center(x, joint=1, per=per, origin=body), reference(x, 1, per, body), rtol=0, atol=1e-12)


@pytest.mark.parametrize("per", ["frame", "clip"])
@pytest.mark.parametrize("body", ["own", "first"])
def test_the_first_person_is_the_first_who_is_there(per, body):
    x = clips((2, 3, 4, 5, 2), lost=[(0, t, 0) for t in range(4)])
    np.testing.assert_allclose(center(x, joint=2, per=per, origin=body), reference(x, 2, per, body), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", layouts.available())
def test_the_joint_is_the_origin_and_bones_are_kept(name):
    layout = layouts.get(name)
    x = clips((2, 3, 4, layout.num_joints, 2))
    y = center(x, joint=layout.center)
    assert (y[..., layout.center, :] == 0).all()
    np.testing.assert_allclose(np.diff(y, axis=3), np.diff(x, axis=3), atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["frame", "clip"]), st.sampled_from(["own", "first"]))
@settings(max_examples=30, deadline=None)
def test_moving_everybody_changes_nothing(seed, per, body):
    x = clips((2, 3, 5, 4, 2), seed=seed, lost=[(0, 2, 0), (1, 0, 1)])
    moved = np.where(x != 0, x + np.array([1.0, -2.0, 3.0])[:, None, None, None], 0)
    options = {"joint": 3, "per": per, "origin": body}
    np.testing.assert_allclose(center(moved, **options), center(x, **options), atol=1e-12)
    np.testing.assert_allclose(center(center(x, **options), **options), center(x, **options), atol=1e-12)


def test_keeps_what_it_says_it_keeps():
    x = np.zeros((3, 2, 2, 2))
    x[0] = [[[0.0, 4.0], [1.0, 5.0]], [[2.0, 7.0], [3.0, 8.0]]]  # (t, v, m): both walk to the right
    assert center(x, joint=0, origin="first")[0, :, 0].tolist() == [[0, 4], [0, 5]]  # their distance
    assert center(x, joint=0, per="clip")[0, :, 0].tolist() == [[0, 0], [2, 3]]  # the way each goes


def test_keeps_the_dtype_and_does_not_write_to_its_input():
    x = clips((1, 3, 4, 5, 1)).astype(np.float32)
    x.flags.writeable = False
    assert center(x, joint=0).dtype == align_view(x, left=0, right=1).dtype == np.float32


def test_preprocessing_equals_the_official_one():
    """Centered on joint 20 in every frame, resampled, turned to the camera; the second clip has its official length."""
    with np.load(GOLDEN / "preprocess_ntu.npz") as golden:
        x = center(golden["raw_head"], joint=20)
        length = [int(golden["length_used_sample0"]), int(golden["length_used_sample1"])]
        for frames in (50, 64):
            y = align_view(resample(x, frames, length=length), left=4, right=8, mode="official")
            for i in range(2):
                np.testing.assert_allclose(y[i], golden[f"t{frames}/sample{i}/position"], rtol=0, atol=3e-6)


def test_the_official_turn_of_one_clip():
    with np.load(GOLDEN / "preprocess_ntu.npz") as golden:
        y = align_view(golden["parallel/x_CTV"][..., None], left=4, right=8, mode="official")
        np.testing.assert_allclose(y[..., 0].transpose(1, 2, 0), golden["parallel/out_TVC"], rtol=1e-4, atol=1e-5)


def test_shoulders_come_to_lie_along_the_first_axis():
    x = clips((3, 3, 6, 7, 2), lost=[(0, t, 1) for t in range(6)])
    y = align_view(x, left=2, right=5)
    across = y[..., 5, :] - y[..., 2, :]
    np.testing.assert_allclose(across[:, 2], 0, atol=1e-12)
    assert (across[:, 0] >= 0).all()
    assert (y[0, ..., 1] == 0).all()
    np.testing.assert_allclose((y**2).sum(axis=1), (x**2).sum(axis=1))  # a rotation
    np.testing.assert_array_equal(y[:, 1], x[:, 1])


def test_turning_a_whole_clip_keeps_the_motion():
    x = clips((2, 3, 6, 7, 2), lost=[(0, 0, 0), *((1, t, 0) for t in range(6))])
    y = align_view(x, left=2, right=5, mode="clip")
    for clip, frame, person in ((0, 1, 0), (1, 0, 1)):  # the first of the persons, in the first frame with them
        across = y[clip, :, frame, 5, person] - y[clip, :, frame, 2, person]
        assert across[2] == pytest.approx(0, abs=1e-12)
        assert across[0] > 0
    planar = x[:, 0] + 1j * x[:, 2]
    turned = y[:, 0] + 1j * y[:, 2]
    seen = planar != 0
    for clip in range(2):
        ratio = turned[clip][seen[clip]] / planar[clip][seen[clip]]
        np.testing.assert_allclose(ratio, ratio[0])  # one angle for all


def test_exact_and_official_angles_agree_on_a_person_who_does_not_turn():
    x = clips((4, 3, 1, 7, 1)) * 100  # large, so that the official guard against division by zero does not matter
    np.testing.assert_allclose(
        align_view(x, left=0, right=1, mode="official"), align_view(x, left=0, right=1), atol=0.5
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: center(np.zeros((3, 5, 25)), joint=0), "at least 4 axes"),
        (lambda: center(np.zeros((2, 3, 5, 25, 1)), joint=25), r"joint: expected a joint in 0..24, got 25"),
        (lambda: center(np.zeros((2, 3, 5, 25, 1)), joint=1, per="video"), "per: expected one of 'frame', 'clip'"),
        (lambda: center(np.zeros((2, 3, 5, 25, 1)), joint=1, origin="all"), "origin: expected one of 'own', 'first'"),
        (lambda: align_view(np.zeros((2, 2, 5, 25, 1)), left=0, right=1), "c=3"),
        (lambda: align_view(np.zeros((2, 3, 5, 25, 1)), left=0, right=25), "right: expected a joint in 0..24"),
        (lambda: align_view(np.zeros((2, 3, 5, 25, 1)), left=0, right=1, mode="yes"), "mode: expected one of"),
    ],
)
def test_wrong_calls_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("x", [[[1.0]], np.zeros((1, 3, 5, 25, 1), dtype=int)])
def test_other_numbers_are_refused(x):
    with pytest.raises(TypeError, match="floating-point numpy array"):
        center(x, joint=0)
    with pytest.raises(TypeError, match="floating-point numpy array"):
        align_view(x, left=0, right=1)
