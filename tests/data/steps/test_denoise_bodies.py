import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.data import RawClip, denoise_bodies, drop_short_bodies, drop_wide_bodies, merge_bodies


def clip(spans, *, frames=40, wide=(), scale=None, seed=0):
    """One body a span of frames; `wide` gives for some bodies the share of their frames that are wide."""
    rng = np.random.default_rng(seed)
    seen = np.zeros((frames, len(spans)), dtype=bool)
    x = np.zeros((3, frames, 25, len(spans)), dtype=np.float32)
    for b, (start, end) in enumerate(spans):
        seen[start:end, b] = True
        pose = rng.uniform(-1, 1, (3, 25)) * [[0.3], [0.9], [0.1]]
        for i, t in enumerate(range(start, end)):
            flat = i < dict(wide).get(b, 0) * (end - start)
            size = 1 if scale is None else scale[b]
            x[:, t, :, b] = (pose[[1, 0, 2]] if flat else pose) + rng.standard_normal((3, 1)) * 0.1 * size
    return RawClip("", x, seen, -1, {})


def reference(raw, *, persons=2):
    """Body by body: lists of the bodies that make up each person, or None where there are none left."""
    bodies = []
    for b in range(raw.x.shape[3]):
        frames = [t for t in range(len(raw.seen)) if raw.seen[t, b]]
        poses = [raw.x[:, t, :, b].astype(np.float64) for t in frames]
        narrow = [p for p in poses if np.ptp(p[0]) <= 0.8 * np.ptp(p[1])]

        def variance(poses):
            return sum(np.var([value for p in poses for value in p[c]]) for c in range(3))

        motion = min(variance(poses), variance(narrow) if narrow else np.inf)
        bodies.append((b, frames[0], frames[-1] + 1, len(frames), 1 - len(narrow) / len(frames), motion))
    if len(bodies) > 1:
        bodies = [body for body in bodies if body[3] > 11]
    if len(bodies) > 1:
        bodies = [body for body in bodies if body[4] < 0.69754]
    groups, times = [], []
    for b, start, end, *_ in sorted(bodies, key=lambda body: -body[5]):
        for i, (first, last) in enumerate(times):
            if start >= last or end <= first:
                groups[i].append(b)
                times[i] = (min(start, first), max(end, last))
                break
        else:
            if len(groups) < persons:
                groups.append([b])
                times.append((start, end))
    if len(groups) == 2 and times[1][0] < times[0][0]:
        groups.reverse()
    return groups


spans = st.lists(st.tuples(st.integers(0, 25), st.integers(1, 15)).map(lambda p: (p[0], p[0] + p[1])), max_size=5)


@given(spans, st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), max_size=3), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_equals_the_slow_reference(spans, wide, seed):
    raw = clip(spans, wide=wide, seed=seed)
    groups = reference(raw)
    y = denoise_bodies(raw)
    assert y.x.shape[3] == y.seen.shape[1] == y.order.shape[1] == len(groups)
    for person, group in enumerate(groups):
        np.testing.assert_array_equal(y.x[..., person], raw.x[..., group].sum(axis=-1))
        np.testing.assert_array_equal(y.seen[:, person], raw.seen[:, group].any(axis=1))
    np.testing.assert_array_equal(y.order >= 0, y.seen)
    assert raw.order is None


def test_short_bodies():
    raw = clip([(0, 40), (3, 14), (3, 15)])
    kept = drop_short_bodies(raw)
    np.testing.assert_array_equal(kept.x, raw.x[..., [0, 2]])
    assert kept.order[3].tolist() == [0, 2]  # their places in the file
    assert drop_short_bodies(raw, frames=0).x.shape[3] == 3
    assert drop_short_bodies(raw, frames=40).x.shape[3] == 0


@pytest.mark.parametrize(("share", "kept"), [(0.6, 2), (0.7, 1), (1, 1)])
def test_wide_bodies(share, kept):
    assert drop_wide_bodies(clip([(0, 40), (0, 40)], wide=[(1, share)])).x.shape[3] == kept
    assert drop_wide_bodies(clip([(0, 40), (0, 40)], wide=[(1, share)]), ratio=100).x.shape[3] == 2


def test_a_body_alone_is_kept_whatever_it_is():
    assert denoise_bodies(clip([(0, 3)], wide=[(0, 1)])).x.shape[3] == 1
    assert denoise_bodies(clip([(0, 30), (0, 3)], wide=[(0, 1)])).x.shape[3] == 1
    assert denoise_bodies(clip([(0, 3), (0, 3)])).x.shape == (3, 40, 25, 0)
    assert denoise_bodies(clip([])).x.shape == (3, 40, 25, 0)


def test_merging_keeps_time_and_prefers_motion():
    raw = clip([(0, 20), (5, 40), (20, 40), (10, 30)], scale=[1, 2, 0.5, 0.1])
    y = merge_bodies(raw)
    np.testing.assert_array_equal(y.x[..., 0], raw.x[..., 0] + raw.x[..., 2])  # seen first, so comes first
    np.testing.assert_array_equal(y.x[..., 1], raw.x[..., 1])
    assert merge_bodies(raw, persons=1).seen[:, 0].sum() == 35
    assert merge_bodies(raw, persons=3).x.shape[3] == 3


def test_gaps_stay_gaps():
    raw = clip([(0, 40), (0, 40)])
    raw.seen[10:20] = False
    raw.x[:, 10:20] = 0
    y = denoise_bodies(raw)
    assert not y.seen[10:20].any()
    assert y.seen[20:].all()


def test_wrong_arguments_are_named():
    raw = clip([(0, 40)])
    with pytest.raises(ValueError, match="frames: expected an integer >= 0, got -1"):
        drop_short_bodies(raw, frames=-1)
    with pytest.raises(ValueError, match="ratio: expected a number >= 0, got nan"):
        drop_wide_bodies(raw, ratio=float("nan"))
    with pytest.raises(ValueError, match=r"share: expected a share in \(0, 1\], got 0"):
        drop_wide_bodies(raw, share=0)
    with pytest.raises(ValueError, match="persons: expected an integer >= 1, got 0"):
        merge_bodies(raw, persons=0)
    with pytest.raises(ValueError, match="at least 2 coordinates"):
        merge_bodies(raw._replace(x=raw.x[:1]))
    with pytest.raises(TypeError, match="clip: expected a RawClip, got ndarray"):
        denoise_bodies(raw.x)
