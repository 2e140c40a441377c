import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks.data import RawClip, body_energy, choose_bodies, read_ntu_skeleton
from skelblocks.testing import write_ntu_skeleton


def clip(frames, bodies, *, seed=0, seen=0.7, ordered=False, joints=5):
    rng = np.random.default_rng(seed)
    sight = rng.random((frames, bodies)) < seen
    x = rng.standard_normal((3, frames, joints, bodies)).astype(np.float32) * rng.uniform(0.1, 3, bodies).astype(
        np.float32
    )
    order = np.full((frames, bodies), -1)
    for t in range(frames):
        order[t, sight[t]] = rng.permutation(sight[t].sum())
    return RawClip("", x * sight[None, :, None], sight, -1, {}, order if ordered else None)


def energy(clip, b):
    total = 0.0
    for c in range(clip.x.shape[0]):
        values = [clip.x[c, t, v, b] for t in range(len(clip.seen)) if clip.seen[t, b] for v in range(clip.x.shape[2])]
        total += np.std(np.array(values, dtype=np.float64)) if values else 0
    return total


@given(st.integers(1, 6), st.integers(0, 4), st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_energy_equals_the_slow_reference(frames, bodies, seed, persons):
    raw = clip(frames, bodies, seed=seed)
    energies = [energy(raw, b) for b in range(bodies)]
    np.testing.assert_allclose(body_energy(raw), energies, rtol=1e-9)
    chosen = sorted(range(bodies), key=lambda b: -energies[b])[:persons]
    y = choose_bodies(raw, persons=persons)
    assert y.shape == (3, frames, 5, persons)
    for m in range(persons):
        np.testing.assert_array_equal(y[..., m], raw.x[..., chosen[m]] if m < len(chosen) else 0)


@given(st.integers(1, 6), st.integers(0, 4), st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_first_follows_the_list_of_each_frame(frames, bodies, seed, persons, ordered):
    raw = clip(frames, bodies, seed=seed, ordered=ordered)
    y = choose_bodies(raw, persons=persons, by="first")
    for t in range(frames):
        there = [b for b in range(bodies) if raw.seen[t, b]]
        listed = sorted(there, key=lambda b: raw.order[t, b]) if ordered else there
        for m in range(persons):
            np.testing.assert_array_equal(y[:, t, :, m], raw.x[:, t, :, listed[m]] if m < len(listed) else 0)


def test_frames_without_a_sight_are_zero_whatever_is_written_there():
    raw = clip(6, 3)
    guessed = raw._replace(x=raw.x + ~raw.seen[:, None])
    np.testing.assert_array_equal(choose_bodies(guessed), choose_bodies(raw))


def test_energy_does_not_count_frames_without_a_sight():
    x = np.ones((3, 4, 5, 2), dtype=np.float32)
    x[:, 2:, :, 0] = 0
    x[0, :, :, 1] += np.arange(4)[:, None] * 0.1
    raw = RawClip("", x, np.array([[True, True], [True, True], [False, True], [False, True]]), -1, {})
    assert body_energy(raw)[0] == 0
    np.testing.assert_array_equal(choose_bodies(raw, persons=1)[..., 0], x[..., 1])


def test_equal_energies_stay_in_their_order():
    x = np.zeros((3, 4, 5, 3), dtype=np.float32)
    x[0, 0] = [1, 1, 1]
    x[1, :, :, :] = [1, 2, 3]
    y = choose_bodies(RawClip("", x, np.ones((4, 3), dtype=bool), -1, {}))
    assert y[1, 0, 0].tolist() == [1, 2]


def test_a_swapped_list_changes_first_and_not_energy(tmp_path):
    path = tmp_path / "S001C001P001R001A050.skeleton"
    write_ntu_skeleton(path, persons=2, frames=6, swapped=[3, 4, 5])
    raw = read_ntu_skeleton(path)
    first, tracked = choose_bodies(raw, by="first"), choose_bodies(raw)
    jump = np.abs(np.diff(first[0, :, 0, 0]))
    assert jump.argmax() == 2
    assert jump.max() > 0.5
    assert np.abs(np.diff(tracked[0], axis=0)).max() < 0.2


def test_writes_nothing_into_its_input():
    raw = clip(4, 3, ordered=True)
    before = [array.copy() for array in (raw.x, raw.seen, raw.order)]
    for by in ("energy", "first"):
        choose_bodies(raw, by=by)[:] = 9
    for array, old in zip((raw.x, raw.seen, raw.order), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_wrong_arguments_are_named():
    raw = clip(4, 2)
    with pytest.raises(ValueError, match="by: expected one of 'energy', 'first', got 'last'"):
        choose_bodies(raw, by="last")
    for persons in (0, 1.5, True):
        with pytest.raises((TypeError, ValueError), match="persons: expected an integer >= 1"):
            choose_bodies(raw, persons=persons)
    with pytest.raises(TypeError, match="clip: expected a RawClip, got ndarray"):
        choose_bodies(raw.x)
    with pytest.raises(ValueError, match=r"clip\.x: expected floating-point numbers \(c, t, v, b\)"):
        choose_bodies(raw._replace(x=raw.x[0]))
    with pytest.raises(ValueError, match=r"clip\.seen: expected bool.* \(t, b\) = \(4, 2\)"):
        choose_bodies(raw._replace(seen=raw.seen[:2]))
    with pytest.raises(ValueError, match=r"clip\.seen: expected bool"):
        body_energy(raw._replace(seen=raw.seen.astype(int)))
    with pytest.raises(ValueError, match=r"clip\.order: expected integer"):
        choose_bodies(raw._replace(order=raw.seen))
