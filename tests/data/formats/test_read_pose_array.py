import numpy as np
import pytest

from skelblocks import layouts
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data import read_poses


def clip(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def save(path, *arrays, **named):
    if named:
        np.savez(path, **named)
    else:
        np.save(path, *arrays, allow_pickle=True)
    return path


def test_humanml3d(tmp_path):
    x = clip(9, 22, 3)
    [found] = read_poses(save(tmp_path / "012314.npy", x))
    assert (found.name, found.layout, found.fps, found.label) == ("012314", "smpl-22", 20.0, -1)
    assert (found.x[..., 0] == x.transpose(2, 0, 1)).all()
    assert found.seen.all()
    assert read_poses(tmp_path / "012314.npy", fps=10)[0].fps == 10


def test_arrays_of_any_skeleton(tmp_path):
    x = clip(9, 17, 2, 2)
    [found] = read_poses(save(tmp_path / "a.npy", x))
    assert (found.layout, found.fps, found.x.shape) == (None, None, (2, 9, 17, 2))
    assert (found.x == x.transpose(2, 0, 1, 3)).all()
    assert read_poses(tmp_path / "a.npy", layout="coco-17")[0].layout == layouts.get("coco-17")
    with pytest.raises(ClipFormatError, match=r"'ntu-rgb\+d' has 25 joints, the clips have 17"):
        read_poses(tmp_path / "a.npy", layout="ntu-rgb+d")
    np.savez(tmp_path / "b.npz", anything=x)
    assert (read_poses(tmp_path / "b.npz")[0].x == found.x).all()


def test_nan_is_not_seen(tmp_path):
    x = clip(9, 25, 3)
    x[4, 7, 1] = np.nan
    [found] = read_poses(save(tmp_path / "a.npy", x))
    assert np.argwhere(~found.seen).tolist() == [[4, 7, 0]]
    assert not found.x[:, 4, 7, 0].any()


def test_zeros(tmp_path):
    """A person of zeros is absent; a joint at zero is missing in pictures alone, and not where it is the center."""
    for c in (2, 3):
        x = 5 + clip(6, 25, c, 2)
        x[3, :, :, 1] = 0  # absent
        x[1, 4] = 0
        x[:, 8] = 0  # the center of centered clips
        [found] = read_poses(save(tmp_path / "a.npy", x))
        assert not found.seen[3, :, 1].any()
        assert found.seen[[0, 2, 4, 5]].all()
        assert found.seen[1, 4].all() == (c == 3)


def test_sets_in_the_form_of_the_package(tmp_path):
    x = clip(3, 3, 8, 20, 1)
    named = {"x": x, "y": np.array([4, -1, 0]), "length": np.array([8, 5, 1]), "clip_name": np.array(["a", "b", "c"])}
    found = read_poses(save(tmp_path / "s.npz", **named, joint_names=np.array(layouts.get("utd-mhad").joints)))
    assert [(each.name, each.label, each.x.shape[1]) for each in found] == [("a", 4, 8), ("b", -1, 5), ("c", 0, 1)]
    assert all(each.layout == layouts.get("utd-mhad") for each in found)
    assert (found[1].x == x[1, :, :5]).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ((clip(9, 263),), r"got HumanML3D's features \(9, 263\); give the file in new_joints"),
        ((clip(3, 9, 25),), r"expected \(t, v, c\) or \(t, v, c, b\) with c of 2 or 3, got \(3, 9, 25\)"),
        ((clip(9, 0, 3),), "expected .t, v, c."),
        ((np.full((9, 22, 3), np.inf),), "got one that is infinite or larger"),
        ((np.full((9, 22, 3), "a"),), "expected numbers, got <U1"),
        ((np.array({"S1": {}}, dtype=object),), "expected plain arrays, got pickled objects"),
        ({"positions_2d": np.array({"S1": 1}, dtype=object)}, "this is VideoPose3D's form"),
        ({"poses": clip(3, 156), "betas": clip(16)}, "the parameters of a body model, as in AMASS"),
        ({"x": clip(3, 3, 8, 20, 1), "length": np.array([9, 1, 1])}, "array 'length': expected 3 integers in 1..8"),
        ({"x": clip(3, 3, 8, 20, 1), "y": np.array([0.5, 1, 1])}, "array 'y': expected 3 integers"),
        ({"x": clip(2, 3, 8, 20, 1), "clip_name": np.array(["a", "a"])}, "expected 2 distinct names"),
        ({"x": clip(2, 5, 8, 20, 1)}, "expected one array"),
    ],
)
def test_other_arrays_are_refused(tmp_path, content, reason):
    path = tmp_path / ("a.npz" if isinstance(content, dict) else "a.npy")
    with pytest.raises(ClipFormatError, match=reason):
        read_poses(save(path, **content) if isinstance(content, dict) else save(path, *content))


def test_files_that_claim_more_than_they_hold_are_refused(tmp_path):
    path = save(tmp_path / "a.npy", clip(9, 22, 3))
    claimed = path.read_bytes().replace(b"(9, 22, 3), }          ", b"(9999999999999, 22, 3),}")
    path.write_bytes(claimed)
    with pytest.raises(ClipFormatError, match="expected a whole numpy file"):
        read_poses(path)
    np.savez(tmp_path / "b.npz", x=np.load(save(tmp_path / "c.npy", clip(9, 22, 3))))
    packed = (tmp_path / "b.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ClipFormatError, match="expected a whole numpy file"):
        read_poses(tmp_path / "b.npz")


def test_a_file_without_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz")
    with pytest.raises(ClipFormatError, match=r"expected one array \(t, v, c\), or x .* got no array"):
        read_poses(tmp_path / "a.npz", format="array")
