import numpy as np
import pytest

from skelblocks.data import ArrayDataset, Preprocessing, near_copies, resample, synthetic_motion


def padded(clip, frames):
    out = np.zeros((*clip.shape[:1], frames, *clip.shape[2:]), dtype=clip.dtype)
    out[:, : clip.shape[1]] = clip
    return out


@pytest.fixture(scope="module")
def clips():
    return synthetic_motion(classes=4, subjects=3, views=2, frames=24).x.numpy()


def reference(left, right, threshold, frames=16):
    """The distances by plain loops over single clips."""
    found = []
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            rows = []
            for clip in (a, b):
                last = max(t for t in range(clip.shape[1]) if clip[:, t].any()) + 1
                small = resample(clip[None, :, :last].astype(np.float64), frames)[0]
                seen = (small != 0).any(axis=0)
                rows.append((small - small[:, seen].mean(axis=1)[:, None, None, None]) * seen)
            p, q = rows
            distance = np.linalg.norm(p - q) / np.sqrt((np.linalg.norm(p) ** 2 + np.linalg.norm(q) ** 2) / 2)
            if distance <= threshold:
                found.append((i, j, distance))
    return found


@pytest.mark.parametrize("threshold", [0.02, 0.5, 0.9])
def test_pairs_equal_those_of_plain_loops(clips, threshold):
    left, right = clips[:8], np.concatenate([clips[4:12], clips[:1] + 0.001])
    expected = reference(left, right, threshold)
    found = near_copies(left, right, threshold=threshold)
    assert [(i, j) for i, j, _ in expected] == list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    np.testing.assert_allclose(found.distance, [d for _, _, d in expected], atol=1e-6)
    assert len(expected) > (4 if threshold > 0.1 else 3)


def test_small_blocks_give_the_same_pairs(clips, monkeypatch):
    whole = near_copies(clips, threshold=0.9)
    module = near_copies.__globals__
    for name in ("_READ", "_COMPARED", "_CHECKED"):
        monkeypatch.setitem(module, name, 5)
    blocks = near_copies(clips, threshold=0.9)
    assert len(whole.first) > 10
    assert (whole.first < whole.second).all()
    for one, another in zip(whole, blocks, strict=True):
        np.testing.assert_allclose(one, another, atol=1e-7)


@pytest.mark.parametrize(
    "change",
    [
        lambda clip: clip + 3 * (clip != 0),
        lambda clip: clip + np.random.default_rng(0).normal(0, 0.002, clip.shape) * (clip != 0),
        lambda clip: np.round(clip, 3),
        lambda clip: resample(clip[None], 48)[0],
        lambda clip: np.concatenate([clip, 0 * clip[:, :9]], axis=1),
    ],
    ids=["moved", "noise", "rounded", "frame rate", "padding"],
)
def test_a_changed_copy_is_found(clips, change):
    copies = np.stack([padded(change(clip).astype(np.float32), 60) for clip in clips[:6]])
    found = near_copies(clips, copies)
    assert list(zip(found.first, found.second, strict=True)) == [(i, i) for i in range(6)]


def test_mirrored_and_unrelated_clips_are_no_copies(clips):
    mirrored = clips * np.array([-1, 1, 1], dtype=np.float32)[:, None, None, None]
    assert not len(near_copies(clips).first)
    assert not len(near_copies(clips, mirrored).first)


def test_data_sets_are_compared_as_they_are_preprocessed(clips):
    settings = Preprocessing(frames=20)
    dataset = ArrayDataset(clips, layout="ntu-rgb+d", preprocessing=settings)
    copy = ArrayDataset(clips[3:5] + 1, layout="ntu-rgb+d", preprocessing=settings)
    found = near_copies(dataset, copy)
    assert (found.first.tolist(), found.second.tolist()) == ([3, 4], [0, 1])


def test_empty_clips_and_empty_sets_have_no_copies(clips):
    nobody = np.zeros_like(clips[:3])
    assert not len(near_copies(nobody).first)
    assert not len(near_copies(nobody, clips).first)
    assert not len(near_copies(clips[:0]).first)
    assert not len(near_copies(clips[:0], clips).first)


def test_coordinates_in_any_unit(clips):
    for factor in (1e-6, 1e3, 1e9):
        scaled = (clips * factor).astype(np.float32)
        found = near_copies(scaled, scaled[[2]])
        assert (found.first.tolist(), found.second.tolist()) == ([2], [0])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (lambda x: [x[0]], {}, ValueError, "clips: expected 5 axes"),
        (lambda x: [x.astype(int)], {}, TypeError, "clips: expected a floating-point"),
        (lambda x: [x, x[:, :, :, :20]], {}, ValueError, r"other: expected clips \(c, v, m\)"),
        (lambda x: [x, x * np.nan], {}, ValueError, "other: expected finite coordinates.*clip 0"),
        (lambda x: [x], {"threshold": 1.0}, ValueError, "threshold: expected a number below 1"),
        (lambda x: [x], {"threshold": -0.1}, ValueError, "threshold"),
        (lambda x: [x], {"frames": 0}, ValueError, "frames"),
    ],
)
def test_errors_name_the_argument(clips, arguments, options, error, message):
    with pytest.raises(error, match=message):
        near_copies(*arguments(clips), **options)
