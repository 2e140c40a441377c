from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from skelblocks.data import clip_lengths, resample

GOLDEN = Path(__file__).parents[2] / "golden"


def interpolated(x, frames, lengths):
    """torch's own, one clip at a time."""
    out = []
    for clip, length in zip(torch.from_numpy(x), lengths, strict=True):
        c, _, v, m = clip.shape
        lines = clip[:, :length].permute(0, 2, 3, 1).reshape(1, c * v * m, length)
        out.append(F.interpolate(lines, size=frames, mode="linear", align_corners=False).reshape(c, v, m, frames))
    return torch.stack(out).permute(0, 1, 4, 2, 3).numpy()


@given(
    st.integers(1, 70), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 2), st.integers(0, 2**31)
)
@settings(max_examples=60, deadline=None)
def test_equals_torch_interpolate_for_any_lengths(frames, lengths, persons, seed):
    x = np.random.default_rng(seed).standard_normal((len(lengths), 3, 40, 5, persons))
    np.testing.assert_allclose(resample(x, frames, length=lengths), interpolated(x, frames, lengths), atol=1e-12)


@pytest.mark.parametrize("frames", [16, 50, 64, 120])
def test_single_precision_stays_within_its_rounding(frames):
    x = np.random.default_rng(0).standard_normal((4, 3, 125, 20, 1)).astype(np.float32)
    lengths = [125, 41, 67, 1]
    y = resample(x, frames, length=lengths)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, interpolated(x.astype(np.float64), frames, lengths), rtol=0, atol=2e-6)


def test_more_clips_than_one_chunk():
    x = np.random.default_rng(0).standard_normal((1100, 1, 7, 2, 1))
    lengths = np.arange(1100) % 7 + 1
    np.testing.assert_allclose(resample(x, 5, length=lengths), interpolated(x, 5, lengths), atol=1e-12)


def test_within_rounding_of_the_official_image_resize():
    """The vertical is what the rotation that follows there leaves alone."""
    with np.load(GOLDEN / "preprocess_ntu.npz") as golden:
        raw = golden["raw_head"]
        x = np.where(raw != 0, raw - raw[..., 20:21, :], 0)
        for frames in (50, 64):
            y = resample(x, frames, length=[37, 115])
            for i in range(2):
                np.testing.assert_allclose(y[i, 1], golden[f"t{frames}/sample{i}/position"][1], rtol=0, atol=3e-6)


def test_what_must_not_change():
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 4, 2)).astype(np.float32)
    x[0, ..., 1] = 0
    np.testing.assert_array_equal(resample(x, 9), x)  # as many frames as there are
    assert (resample(x, 50)[0, ..., 1] == 0).all()  # an absent person
    held = np.repeat(x[:, :, :1], 9, axis=2)
    np.testing.assert_array_equal(resample(held, 33), np.repeat(x[:, :, :1], 33, axis=2))  # a pose that is held
    np.testing.assert_array_equal(resample(x, 6, length=1), np.repeat(x[:, :, :1], 6, axis=2))  # a single frame


def test_what_lies_beyond_the_length_is_not_looked_at():
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 4, 1))
    x[:, :, 5:] = np.nan
    assert np.isfinite(resample(x, 20, length=5)).all()
    assert np.isfinite(resample(x, 20, length=np.array([5, 4], dtype=np.int32))).all()


def test_reads_clips_that_are_mapped_from_disk(tmp_path):
    x = np.random.default_rng(0).standard_normal((3, 3, 9, 4, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(resample(mapped, 5), resample(x, 5))


def test_lengths_end_at_the_last_frame_with_anybody():
    with np.load(GOLDEN / "preprocess_ntu.npz") as golden:
        assert clip_lengths(golden["raw_head"]).tolist() == [37, 120]  # the released code takes 115 of the second
    x = np.zeros((4, 3, 8, 5, 2))
    x[1, 0, 7, 4, 1] = 1e-6  # one joint of the second person
    x[2, :, 0] = 1
    x[3, 2, 3] = np.nan
    assert clip_lengths(x).tolist() == [1, 8, 1, 4]


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 3, 9, 4), {"frames": 5}, r"5 axes \(n, c, t, v, m\), got shape \(2, 3, 9, 4\)"),
        ((2, 3, 9, 4, 1), {"frames": 0}, "frames: expected an integer >= 1, got 0"),
        ((2, 3, 9, 4, 1), {"frames": 5, "length": [9, 10]}, r"length: expected 1..9, .* got 10 for clip 1"),
        ((2, 3, 9, 4, 1), {"frames": 5, "length": 0}, r"length: expected 1..9, .* got 0 for clip 0"),
        ((2, 3, 9, 4, 1), {"frames": 5, "length": [9]}, r"length: .* shape \(2,\), got shape \(1,\)"),
    ],
)
def test_wrong_calls_say_what_was_expected(shape, options, message):
    with pytest.raises(ValueError, match=message):
        resample(np.zeros(shape), **options)


def test_other_numbers_are_refused():
    with pytest.raises(TypeError, match="floating-point"):
        resample(np.zeros((1, 3, 9, 4, 1), dtype=int), 5)
    with pytest.raises(TypeError, match=r"frames: expected an integer >= 1, got 2\.5"):
        resample(np.zeros((1, 3, 9, 4, 1)), 2.5)
    with pytest.raises(TypeError, match="length: expected integers"):
        resample(np.zeros((1, 3, 9, 4, 1)), 5, length=[2.0])
    with pytest.raises(TypeError, match="expected a numpy array, got Tensor"):
        clip_lengths(torch.zeros(1, 3, 9, 4, 1))
