from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.data import body_length, center, normalize_scale

SPINES = {  # from the hip to the layout's center
    "ntu-rgb+d": ("spine_base", "spine_middle", "spine_shoulder"),
    "nw-ucla": ("hip_center", "spine", "shoulder_center"),
    "utd-mhad": ("hip_center", "spine", "shoulder_center"),
    "hdm05": ("pelvis", "lower_back", "upper_back", "thorax"),
    "h36m-17": ("pelvis", "spine", "thorax"),
}


def clips(shape, *, seed=0):
    """Random clips in which some person is lost for a frame, and the second absent from the first clip."""
    x = np.random.default_rng(seed).standard_normal(shape)
    x[-1, :, 1, :, 0] = 0
    if shape[-1] == 2:
        x[0, ..., 1] = 0
    return x


def reference(x, bones, average):
    """Frame by frame and bone by bone."""
    out = []
    for clip in x:
        found = []
        for t in range(clip.shape[1]):
            for m in range(clip.shape[3]):
                if clip[:, t, :, m].any():
                    each = [np.linalg.norm(clip[:, t, a, m] - clip[:, t, b, m]) for a, b in bones]
                    found.append(np.mean(each) if average else np.sum(each))
        out.append(np.mean(found))
    return out


@pytest.mark.parametrize("name", layouts.available())
@pytest.mark.parametrize("channels", [2, 3])
def test_bones_equal_the_slow_reference(name, channels):
    layout = layouts.get(name)
    x = clips((3, channels, 4, layout.num_joints, 2))
    np.testing.assert_allclose(body_length(x, layout=name), reference(x, layout.edges, average=True))


@pytest.mark.parametrize("name", SPINES)
def test_the_spine_equals_the_slow_reference(name):
    layout = layouts.get(name)
    joints = [layout.index(joint) for joint in SPINES[name]]
    x = clips((3, 3, 4, layout.num_joints, 2))
    expected = reference(x, list(pairwise(joints)), average=False)
    np.testing.assert_allclose(body_length(x, layout=layout, by="spine"), expected)
    np.testing.assert_allclose(body_length(x, layout=layout, by="spine", hip=joints[0]), expected)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.sampled_from(["bones", "spine"]))
@settings(max_examples=40, deadline=None)
def test_every_size_of_a_body_comes_out_alike(seed, size, by):
    x = clips((2, 3, 4, 20, 2), seed=seed)
    y = normalize_scale(x, layout="nw-ucla", by=by)
    np.testing.assert_allclose(normalize_scale(size * x, layout="nw-ucla", by=by), y, rtol=1e-9)
    np.testing.assert_allclose(body_length(y, layout="nw-ucla", by=by), 1)
    np.testing.assert_array_equal(y == 0, x == 0)  # absent persons, lost frames
    for before, after in zip(x, y, strict=True):
        ratio = after[before != 0] / before[before != 0]
        np.testing.assert_allclose(ratio, ratio[0])  # one number for all of a clip
    moved = np.where(x != 0, x + 5.0, 0)
    np.testing.assert_allclose(body_length(moved, layout="nw-ucla", by=by), body_length(x, layout="nw-ucla", by=by))


def test_a_clip_without_anybody_stays_zero_and_others_do_not_mind():
    x = clips((3, 3, 4, 20, 2))
    x[1] = 0
    y = normalize_scale(x, layout="nw-ucla")
    assert (y[1] == 0).all()
    np.testing.assert_array_equal(y[[0, 2]], normalize_scale(x[[0, 2]], layout="nw-ucla"))
    assert body_length(x, layout="nw-ucla")[1] == 0


def test_centring_first_or_last_is_the_same():
    x = clips((2, 3, 4, 25, 2))
    np.testing.assert_allclose(
        normalize_scale(center(x, joint=20), layout="ntu-rgb+d"),
        center(normalize_scale(x, layout="ntu-rgb+d"), joint=20),
        atol=1e-12,
    )


def test_leading_axes_dtype_and_no_writing():
    x = clips((2, 3, 4, 25, 2)).astype(np.float32)
    x.flags.writeable = False
    y = normalize_scale(x, layout="ntu-rgb+d")
    assert y.dtype == np.float32
    np.testing.assert_array_equal(normalize_scale(x[1], layout="ntu-rgb+d"), y[1])
    np.testing.assert_array_equal(normalize_scale(x[:, None], layout="ntu-rgb+d")[:, 0], y)
    assert normalize_scale(x[:0], layout="ntu-rgb+d").shape == (0, 3, 4, 25, 2)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_body_without_a_length_is_refused_with_its_clip(value):
    x = clips((3, 3, 4, 20, 1))
    x[2] = value if value == 0.5 else x[2]
    x[2, 0, 2, 3] = value
    with pytest.raises(ValueError, match=r"length > 0, got .* by='bones' in clip 2; leave"):
        normalize_scale(x, layout="nw-ucla")
    with pytest.raises(ValueError, match="in the clip; leave"):
        normalize_scale(x[2], layout="nw-ucla")
    with pytest.raises(ValueError, match=r"in clip \(0, 2\); leave"):
        normalize_scale(x[None], layout="nw-ucla")


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 5, 25), {"layout": "ntu-rgb+d"}, "at least 4 axes"),
        ((3, 5, 20, 1), {"layout": "ntu-rgb+d"}, "has 25 joints, the clips have 20"),
        ((3, 5, 25, 1), {"layout": "ntu-rgb+d", "by": "height"}, "by: expected one of 'bones', 'spine'"),
        ((3, 5, 17, 1), {"layout": "coco-17", "by": "spine"}, "hip: layout 'coco-17' has no joint"),
        ((3, 5, 25, 1), {"layout": "ntu-rgb+d", "by": "spine", "hip": 25}, r"hip: expected a joint in 0\.\.24"),
        ((3, 5, 25, 1), {"layout": "ntu-rgb+d", "by": "spine", "hip": 20}, "no bone to measure by='spine'"),
    ],
)
def test_wrong_calls_say_what_was_expected(shape, options, message):
    with pytest.raises(ValueError, match=message):
        normalize_scale(np.ones(shape), **options)


@pytest.mark.parametrize("x", [[[1.0]], np.zeros((1, 3, 5, 20, 1), dtype=int)])
def test_other_numbers_are_refused(x):
    with pytest.raises(TypeError, match="floating-point numpy array"):
        normalize_scale(x, layout="nw-ucla")
