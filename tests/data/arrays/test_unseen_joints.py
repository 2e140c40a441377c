"""Joints of arrays that are not seen: NaN, masked, or told by a mask."""

import pickle

import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.data import (
    ArrayDataset,
    Preprocessing,
    fill_joints,
    from_arrays,
    preprocess,
    preprocess_mask,
    synthetic_motion,
)

UNSEEN = Preprocessing(frames=10, nan="unseen", scale="bones")
LAYOUT = layouts.get("nw-ucla")


def recorded(lost=0.1):
    x = synthetic_motion("nw-ucla", classes=3, subjects=2, views=1, frames=20, occlusion=0.0).x.numpy()
    x = np.concatenate([x, x + 0.5], axis=4)
    x[::2, ..., 1] = 0
    x[1, :, 15:] = 0
    there = (x != 0).any(axis=(1, 3))[:, :, None]
    seen = (np.random.default_rng(0).random((6, 20, 20, 2)) >= lost) & there
    return x, seen


@pytest.mark.parametrize("kind", ["nan", "masked", "mask", "zeros"])
def test_unseen_joints_are_filled_whatever_marks_them(kind, tmp_path):
    x, seen = recorded()
    there = (x != 0).any(axis=(1, 3))[:, :, None]
    hidden = (there & ~seen)[:, None] & np.ones((1, 3, 1, 1, 1), bool)
    arguments = {"layout": LAYOUT, "preprocessing": UNSEEN}
    if kind == "nan":
        dataset = ArrayDataset(np.where(hidden, np.float32(np.nan), x), **arguments)
    elif kind == "masked":
        dataset = ArrayDataset(np.ma.masked_array(np.where(hidden, np.float32(-999), x), hidden), **arguments)
    else:
        value = np.float32(7 if kind == "mask" else 0)
        settings = Preprocessing(frames=10, scale="bones")
        dataset = ArrayDataset(np.where(hidden, value, x), seen=seen, layout=LAYOUT, preprocessing=settings)
    filled = np.stack([fill_joints(*pair, layout=LAYOUT) for pair in zip(x, seen, strict=True)])
    lengths = [20, 15, 20, 20, 20, 20]
    expected = preprocess(filled, layout=LAYOUT, preprocessing=UNSEEN, seen=seen, lengths=lengths)
    np.testing.assert_array_equal(dataset.as_tensor(), expected)
    mask = preprocess_mask(seen, layout=LAYOUT, preprocessing=UNSEEN, lengths=lengths)
    assert np.array_equal(dataset.seen(range(6)), mask)
    assert np.array_equal(dataset[3].seen, mask[3])
    assert next(dataset.subset([3, 1]).batches(2)).seen.equal(torch.from_numpy(mask[[3, 1]]))
    assert dataset.select_joints(["head"]).seen([0]).shape == (1, 10, 1, 2)
    assert ArrayDataset(x, layout=LAYOUT).seen([0]) is None


def test_files_with_nan_and_with_a_mask(tmp_path):
    x, seen = recorded()
    hidden = np.where(seen[:, None], x, np.float32(np.nan))
    hidden[~(x != 0).any(axis=(1, 3))[:, None, :, None].repeat(3, 1).repeat(20, 3)] = 0
    expected = ArrayDataset(hidden, layout=LAYOUT, preprocessing=UNSEEN)
    np.save(tmp_path / "x.npy", hidden)
    mapped = ArrayDataset.from_file(tmp_path / "x.npy", layout=LAYOUT, preprocessing=UNSEEN)
    np.savez(tmp_path / "x.npz", x=x, seen=seen)
    named = ArrayDataset.from_file(
        tmp_path / "x.npz", layout=LAYOUT, preprocessing=Preprocessing(frames=10, scale="bones")
    )
    for dataset in (mapped, pickle.loads(pickle.dumps(mapped)), named):
        assert dataset.as_tensor().equal(expected.as_tensor())
        assert dataset.seen([5, 0]).equal(expected.seen([5, 0]))


def test_a_person_who_is_lost_for_long_is_absent():
    x, seen = recorded(lost=0)
    x, seen = x[3:4, ..., :1], seen[3:4, ..., :1].copy()
    seen[0, 2:5] = False
    settings = Preprocessing(frames=None, center=None)
    short = ArrayDataset(x, seen=seen, layout=LAYOUT, preprocessing=settings)[0].clip
    np.testing.assert_allclose(short[:, 3], (x[0, :, 1] + x[0, :, 5]) / 2, atol=1e-5)
    seen[0, 2:13] = False
    long = ArrayDataset(x, seen=seen, layout=LAYOUT, preprocessing=settings)[0].clip
    assert not long[:, 2:13].any()
    assert np.array_equal(long[:, 13:], x[0, :, 13:])


def test_arrays_of_unequal_length_keep_what_is_not_seen():
    clips = [np.random.default_rng(i).standard_normal((12 + i, 20, 3)) for i in range(3)]
    clips[1][4, 3] = np.nan
    clips[2] = np.ma.masked_array(clips[2], np.arange(14)[:, None, None] + np.zeros((20, 3)) == 6)
    for each in (clips[1], clips[2]):
        with pytest.raises((TypeError, ValueError), match=r"nan=.unseen.|numpy\.ma\.filled"):
            from_arrays([each], "T V C", layout=LAYOUT)
    padded = from_arrays(clips, "T V C", layout=LAYOUT, nan="unseen")
    dataset = ArrayDataset(
        padded.clips, lengths=padded.lengths, layout=LAYOUT, preprocessing=Preprocessing(frames=None, nan="unseen")
    )
    seen = dataset.seen(range(3))
    assert seen[0, :12].all()
    assert not seen[0, 12:].any()
    assert int((~seen[1, :13]).sum()) == 1
    assert int((~seen[2]).sum()) == 20


def test_nan_is_an_error_by_default_and_infinity_always():
    x, seen = recorded()
    x[2, 0, 3, 4, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN or infinite coordinates in clip '2'; .*Preprocessing\(nan='unseen'\)"):
        ArrayDataset(x, layout=LAYOUT)
    with pytest.raises(TypeError, match=r"a masked one, .* set Preprocessing\(nan='unseen'\)"):
        ArrayDataset(np.ma.masked_array(x), layout=LAYOUT)
    x[2, 0, 3, 4, 0] = np.inf
    with pytest.raises(ValueError, match="NaN or infinite coordinates in clip '2'"):
        ArrayDataset(x, layout=LAYOUT, preprocessing=UNSEEN)
    with pytest.raises(ValueError, match=r"seen: expected \(n, t, v, m\) = \(6, 20, 20, 2\) as in the clips"):
        ArrayDataset(x, layout=LAYOUT, seen=seen[:2])
    with pytest.raises(TypeError, match="seen: expected a boolean numpy array, got float64"):
        ArrayDataset(x, layout=LAYOUT, seen=seen.astype(float))
