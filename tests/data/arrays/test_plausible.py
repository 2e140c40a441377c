import warnings

import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.data import ArrayDataset, Preprocessing, synthetic_motion


@pytest.fixture(scope="module")
def motion():
    """Clips in meters, (n, c, t, v, m), of which half have a second person."""
    x = synthetic_motion("coco-17", classes=4, subjects=4, views=1, frames=20, occlusion=0.0).x.numpy()
    other = np.roll(x, 1, axis=0) + np.float32(0.3)
    other[::2] = 0
    return np.concatenate([x, other], axis=4)


def read(x, **settings):
    return ArrayDataset(np.ascontiguousarray(x), layout="coco-17", preprocessing=Preprocessing(**settings))


@pytest.mark.parametrize("clips", ["space", "picture", "scaled pixels", "centered"])
def test_good_clips_give_no_warning(motion, clips):
    centered = motion - np.where((motion != 0).any(axis=(1, 3), keepdims=True), motion[:, :, :, :1], 0)
    x = {"space": motion, "picture": motion[:, :2], "scaled pixels": motion[:, :2] * 200, "centered": centered}[clips]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(x, scale="bones" if clips == "scaled pixels" else None)


def test_pixels_scores_zeros_and_exchanged_axes_are_told(motion):
    flat = motion[:, :2]
    with pytest.warns(UserWarning, match=r"a body is about \d+ units long, .*Preprocessing\(scale='bones'\)"):
        read(flat * 200)
    score = np.random.default_rng(0).uniform(0.2, 1, flat[:, :1].shape).astype(np.float32)
    with pytest.warns(UserWarning, match="third channel is in 0..1 and looks like a detector's score"):
        read(np.concatenate([flat, score], axis=1))
    lost = motion.copy()
    lost[:, :, ::3, 9] = 0
    with pytest.warns(UserWarning, match="of the joints of visible persons are exactly 0"):
        read(lost)
    for channels in (2, 3):  # (n, m, t, v, c), read as (n, c, t, v, m)
        both = motion[1::2, :channels]
        for x in (motion[:, :channels], both):
            with pytest.warns(UserWarning, match=r"the clips look like \(m, t, v, c\).*from_axes"):
                read(x.transpose(0, 4, 2, 3, 1))


def test_persons_on_their_heads_are_told(motion):
    down = motion * np.array([1, -1, 1], np.float32)[:, None, None, None]
    with pytest.warns(UserWarning, match=r"shoulders lie below the hips, .*; set Preprocessing\(y='down'\)"):
        read(down)
    with pytest.warns(UserWarning, match=r"set Preprocessing\(y='up'\)"):
        read(motion, y="down")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(down, y="down")
        read(down, y="auto")


def test_masked_clips_are_refused():
    x = np.ma.masked_equal(np.full((2, 3, 4, 17, 1), -999.0), -999.0)
    with pytest.raises(TypeError, match="clips: expected a plain numpy array, got a masked one"):
        ArrayDataset(x, layout=layouts.get("coco-17"))
