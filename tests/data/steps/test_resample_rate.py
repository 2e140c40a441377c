import numpy as np
import pytest

from skelblocks.data import ClipFormatError, RawClip
from skelblocks.data.steps.resample_rate import at_rate, resample_rate


def clip(frames=31, fps=30.0, joints=4, seed=0):
    time = np.arange(frames) / (fps or 30.0)
    slope = np.random.default_rng(seed).standard_normal((2, 1, joints, 1))
    x = (slope * (1 + time[None, :, None, None])).astype(np.float32)
    seen = np.ones((frames, joints, 1), dtype=bool)
    return RawClip("mine", x, seen, -1, {}, fps=fps, scores=seen.astype(np.float32))


@pytest.mark.parametrize(("fps", "frames"), [(15.0, 16), (30.0, 31), (60.0, 61), (25.0, 26), (7.0, 8)])
def test_straight_motion_stays_straight(fps, frames):
    moved = resample_rate(clip(), fps)
    expected = clip(frames, fps)
    assert moved.fps == fps
    assert moved.scores.shape == moved.seen.shape == (frames, 4, 1)
    np.testing.assert_allclose(moved.x, expected.x, rtol=1e-5)


def test_a_joint_that_is_not_seen_does_not_pull_to_the_origin():
    raw = clip()
    raw.seen[10, 2], raw.x[:, 10, 2] = False, 0
    moved = resample_rate(raw, 24.0)
    np.testing.assert_array_equal(moved.x[:, ~moved.seen[..., 0]], 0)
    assert moved.seen.sum() in (moved.seen.size - 1, moved.seen.size)
    around = moved.x[:, 7:10, 2, 0] / clip(26, 24.0).x[:, 7:10, 2, 0]
    assert (np.abs(around[around != 0] - 1) < 0.05).all()


def test_two_rates_of_the_same_motion_agree():
    there_and_back = resample_rate(resample_rate(clip(), 120.0), 30.0)
    np.testing.assert_allclose(there_and_back.x, clip().x, rtol=1e-5)


def test_clips_of_a_recording_keep_a_common_time():
    raw = clip(60)
    later = raw._replace(x=raw.x[:, 13:], seen=raw.seen[13:], scores=raw.scores[13:])
    moved, start = at_rate(later, 12.0, start=13)
    whole = resample_rate(raw, 12.0)
    assert start == 6
    np.testing.assert_allclose(moved.x, whole.x[:, 6:], rtol=1e-5)


def test_wrong_clips():
    with pytest.raises(ClipFormatError, match="tells no frame rate"):
        resample_rate(clip(fps=None), 30.0)
    with pytest.raises(ValueError, match="clip: expected tracked persons"):
        resample_rate(clip()._replace(tracked=False), 12.0)
    with pytest.raises(ValueError, match="fps: expected a number > 0"):
        resample_rate(clip(), 0)
    assert resample_rate(clip(), 30.0).x is not None
