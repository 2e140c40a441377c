import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.data import (
    ArrayDataset,
    PaddedClips,
    Preprocessing,
    from_arrays,
    from_axes,
    from_pyskl,
    to_axes,
    to_pyskl,
)
from skelblocks.layouts import JointGroup, SkeletonLayout

SIZES = {"N": 2, "C": 3, "T": 7, "V": 25, "M": 4}
ORDERS = [
    "".join(order)
    for kept in ("CTV", "CTVM", "NCTV", "NCTVM")
    for order in itertools.permutations(kept)
]  # fmt: skip


def numbered(order):
    shape = [SIZES[axis] for axis in order]
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


@pytest.mark.parametrize("kept", ["CTV", "CTVM", "NCTV", "NCTVM"])
def test_every_element_goes_where_its_axes_say(kept):
    for order in filter(lambda order: set(order) == set(kept), ORDERS):
        x = numbered(order)
        y = from_axes(x, " ".join(order))
        assert y.shape == tuple(SIZES[axis] if axis in order else 1 for axis in "NCTVM")
        for place in ([1, 2, 3, 24, 2], [0, 0, 6, 10, 3], [1, 1, 0, 0, 0]):
            at = {axis: i if axis in order else 0 for axis, i in zip("NCTVM", place, strict=True)}
            assert y[tuple(at.values())] == x[tuple(at[axis] for axis in order)]
        np.testing.assert_array_equal(to_axes(y, order), x)


def test_orders_can_be_spelled_in_several_ways():
    x = numbered("NMTVC")
    for axes in ("NMTVC", "n m t v c", "N, M, T, V, C"):
        np.testing.assert_array_equal(from_axes(x, axes), from_pyskl(x))
        np.testing.assert_array_equal(to_axes(from_pyskl(x), axes), to_pyskl(from_pyskl(x)))


def test_copies_and_keeps_the_dtype():
    x = numbered("NCTVM").astype(np.int16)
    for change in (to_axes, from_axes):
        y = change(x, "NCTVM")
        assert y.dtype == np.int16
        assert not np.shares_memory(x, y)
        assert change(np.zeros((0, 3, 7, 25, 1)), "NCTVM").shape == (0, 3, 7, 25, 1)


def put(clips, order):
    """The slow way: each clip into zeros, through its own order."""
    turned = [from_axes(np.asarray(clip), order) for clip in clips]
    t, m = (max(clip.shape[i] for clip in turned) for i in (2, 4))
    out = np.zeros((len(turned), turned[0].shape[1], t, turned[0].shape[3], m), dtype=np.float32)
    for i, clip in enumerate(turned):
        for j in range(clip.shape[2]):
            for k in range(clip.shape[4]):
                out[i, :, j, :, k] = clip[0, :, j, :, k]
    return out


@given(
    st.sampled_from([order for order in ORDERS if "N" not in order]),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=5),
    st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_slow_reference(order, sizes, channels):
    rng = np.random.default_rng(0)
    clips = []
    for frames, persons in sizes:
        size = {"C": channels, "T": frames, "V": 20, "M": persons}
        clips.append(rng.standard_normal([size[axis] for axis in order]))
    got = from_arrays(clips, " ".join(order), layout="nw-ucla")
    assert isinstance(got, PaddedClips)
    assert got.clips.dtype == np.float32
    assert got.clips.flags.c_contiguous
    np.testing.assert_array_equal(got.clips, put(clips, order))
    assert got.lengths.tolist() == [frames for frames, _ in sizes]
    ArrayDataset(got.clips, layout="nw-ucla", lengths=got.lengths)


def test_several_clips_an_entry():
    x = np.random.default_rng(0).standard_normal((3, 2, 9, 20, 3))  # pyskl's order
    x[1, :, 5:] = 0
    x[2, :, [1, 2]] = 0  # an inner gap
    clips, lengths = from_arrays(x, "N M T V C", layout="nw-ucla")
    np.testing.assert_array_equal(clips, from_pyskl(x).astype(np.float32))
    assert lengths.tolist() == [9, 5, 9]
    both, lengths = from_arrays([x[:2], x[2:, :1, :4]], "N M T V C", layout="nw-ucla")
    np.testing.assert_array_equal(both[:2], clips[:2])
    np.testing.assert_array_equal(both[2, :, :4, :, :1], clips[2, :, :4, :, :1])
    assert not both[2, :, 4:].any()
    assert not both[2, ..., 1].any()
    assert lengths.tolist() == [9, 5, 4]


def test_an_entry_alone_keeps_frames_without_anybody():
    clip = np.ones((9, 20, 3))
    clip[5:] = 0
    assert from_arrays([clip], "T V C", layout="nw-ucla").lengths.tolist() == [9]


def test_whatever_numpy_reads():
    x = np.arange(2 * 20 * 3).reshape(2, 20, 3)
    expected = from_arrays([x.astype(float)], "T V C", layout="nw-ucla").clips
    for clip in (x, x.tolist(), torch.from_numpy(x), x.astype(np.uint8), x.astype(np.float16)):
        np.testing.assert_array_equal(from_arrays(iter([clip]), "T V C", layout="nw-ucla").clips, expected)
    np.testing.assert_array_equal(from_arrays(x[None], "T V C", layout="nw-ucla").clips, expected)


def test_a_layout_of_ones_own():
    arm = SkeletonLayout(
        "arm",
        ("shoulder", "elbow", "hand"),
        ((1, 0), (2, 1)),
        0,
        (0, 1, 2),
        (JointGroup("all", (0, 1, 2)),),
        (JointGroup("all", (0, 1, 2)),),
    )
    for layout in (arm, arm.to_dict()):
        clips, lengths = from_arrays([np.ones((3, t, 3)) for t in (4, 6)], "C T V", layout=layout)
        dataset = ArrayDataset(
            clips, layout=layout, lengths=lengths, preprocessing=Preprocessing(frames=8, center=None)
        )
        assert dataset.as_tensor().equal(torch.ones(2, 3, 8, 3, 1))


def ones(*shape):
    return np.ones(shape)


@pytest.mark.parametrize(
    ("clips", "axes", "message"),
    [
        ([], "T V C", "clips: expected at least one, got none"),
        (ones(9, 20, 3), "T V C", r"one clip 'T V C' of shape \(9, 20, 3\); pass \[clips\]"),
        ([ones(9, 20, 3), ones(9, 60)], "T V C", r"entry 1: expected 3 axes \(t, v, c\), got shape \(9, 60\)"),
        ([ones(9, 20, 3), ones(0, 20, 3)], "T V C", r"entry 1: .* none empty, got shape \(0, 20, 3\)"),
        ([ones(9, 20, 3), ones(9, 25, 3)], "T V C", "entry 1: expected V = 20, the joints of 'nw-ucla', got 25"),
        ([ones(3, 9, 20)], "T V C", "entry 0: expected V = 20, .* got 9 .*; axis C has 20: is the order right"),
        ([ones(9, 20, 3), ones(9, 20, 2)], "T V C", "entry 1: expected C = 3 as in entry 0, got 2"),
        ([ones(9, 20, 3), ones(9, 20, 3) * 1e300], "T V C", "entry 1: NaN, infinite or too large .* t 0, v 0, m 0"),
        ([[[1, 2], [3]]], "T V C", "entry 0: not an array"),
        ([ones(9, 20, 3)], "T V", "axes: expected each of the letters C T V once"),
        ([ones(9, 20, 3)], "T V X", "axes: expected each of the letters C T V once"),
        ([ones(9, 20, 3)], "T V C C", "axes: expected each of the letters C T V once"),
    ],
)
def test_wrong_clips_are_named(clips, axes, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(clips, axes, layout="nw-ucla")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_found(value):
    clip = np.ones((2, 9, 20, 3))
    clip[1, 4, 7, 2] = value
    with pytest.raises(ValueError, match=r"entry 1: NaN, infinite .* n 0, c 2, t 4, v 7, m 1; .*nan='unseen'"):
        from_arrays([np.ones((1, 3, 20, 3)), clip], "M T V C", layout="nw-ucla")


@pytest.mark.parametrize("dtype", [complex, bool, object, "U3"])
def test_other_numbers_are_refused(dtype):
    with pytest.raises(TypeError, match="entry 1: expected real numbers, got"):
        from_arrays([np.ones((9, 20, 3)), np.ones((9, 20, 3)).astype(dtype)], "T V C", layout="nw-ucla")


def test_wrong_conversions_say_what_was_expected():
    with pytest.raises(ValueError, match=r"x: expected 5 axes \(n, c, t, v, m\), got shape \(3, 4\)"):
        to_axes(np.ones((3, 4)), "NMTVC")
    with pytest.raises(ValueError, match="axes: M can be left out of 'N T V C' where its size is 1"):
        to_axes(np.ones((1, 3, 7, 25, 2)), "N T V C")
    with pytest.raises(ValueError, match="axes: N can be left out"):
        to_axes(np.ones((2, 3, 7, 25, 1)), "TVC")
    with pytest.raises(ValueError, match=r"x: expected 3 axes \(t, v, c\), got shape \(3, 4\)"):
        from_axes(np.ones((3, 4)), "T V C")
    for change in (to_axes, from_axes):
        with pytest.raises(TypeError, match="x: expected a numpy array, got Tensor"):
            change(torch.ones(1, 3, 7, 25, 1), "NCTVM")
        with pytest.raises(TypeError, match="axes: expected a string such as 'T V C', got tuple"):
            change(np.ones((1, 3, 7, 25, 1)), ("T", "V", "C"))


@pytest.mark.parametrize("name", layouts.available())
def test_every_layout(name):
    v = layouts.get(name).num_joints
    assert from_arrays([ones(4, v, 3), ones(6, v, 3)], "T V C", layout=name).clips.shape == (2, 3, 6, v, 1)
