"""Features that nothing was learned for."""

import pytest
import torch

from skelblocks import synthetic_motion
from skelblocks.evaluation import coordinate_features, mini_rocket_features, ridge_probe


def test_coordinates_are_kept_where_the_frames_are_the_clips_own():
    clips = torch.randn(3, 2, 5, 4, 2)
    expected = clips.permute(0, 1, 3, 4, 2).flatten(1)
    torch.testing.assert_close(coordinate_features(clips, frames=5), expected)


def test_coordinates_are_interpolated_in_time():
    ramp = torch.arange(9.0).view(1, 1, 9, 1, 1)
    torch.testing.assert_close(coordinate_features(ramp, frames=3), torch.tensor([[0.0, 4.0, 8.0]]))
    assert coordinate_features(ramp, frames=1).shape == (1, 1)


def test_a_clip_alone_is_an_error():
    with pytest.raises(ValueError, match="clips: expected 5 axes"):
        coordinate_features(torch.randn(2, 5, 4, 2))
    with pytest.raises(TypeError, match="clips: expected a floating-point tensor"):
        coordinate_features(torch.ones(1, 2, 5, 4, 2, dtype=torch.int32))


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ((4, 3, 8, 5, 1), (2, 3, 8, 5, 1), "expected at least 9 frames, got 8; resample"),
        ((4, 3, 16, 5, 1), (2, 3, 16, 6, 1), r"expected clips of the shape \(3, 16, 5, 1\)"),
    ],
)
def test_clips_that_mini_rocket_cannot_take(train, test, message):
    with pytest.raises(ValueError, match=message):
        mini_rocket_features(torch.randn(train), torch.randn(test))


@pytest.mark.slow
def test_mini_rocket_tells_motions_apart_and_repeats():
    pytest.importorskip("sktime")
    pytest.importorskip("numba")
    motion = synthetic_motion("ntu-rgb+d", classes=4, subjects=6, views=1, frames=32)
    odd = motion.subjects % 2 == 1
    train, test = mini_rocket_features(motion.x[odd], motion.x[~odd], kernels=840)
    again, _ = mini_rocket_features(motion.x[odd], motion.x[~odd], kernels=840)
    assert train.shape[1] == test.shape[1] == 840
    assert train.equal(again)
    assert 0 <= float(train.min()) <= float(train.max()) <= 1
    assert ridge_probe(train, motion.labels[odd], test, motion.labels[~odd]).accuracy > 0.5
