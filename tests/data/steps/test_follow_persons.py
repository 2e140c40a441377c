import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.data import RawClip, follow_persons
from skelblocks.data.steps.body_sizes import body_sizes
from skelblocks.data.steps.match_pairs import match_pairs

pytest.importorskip("scipy")
COCO = layouts.get("coco-17")
STANDING = np.array(
    [
        [0, -3, 3, -6, 6, -15, 15, -20, 20, -22, 22, -10, 10, -11, 11, -11, 11],
        [0, -3, -3, -1, -1, 20, 20, 45, 45, 70, 70, 75, 75, 120, 120, 160, 160],
    ],
    dtype=np.float32,
)  # (c, v) in pixels; the torso is 55 long


def people(frames, places, *, noise=1.0, missing=0.0, seed=0):
    """Bodies that stand at ``places`` ``[(x, y, dx), ...]`` and walk ``dx`` pixels a frame: (c, t, v, b) and seen."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)
    where = np.stack([[x + dx * time, np.full(frames, y)] for x, y, dx in places], axis=-1)  # (c, t, b)
    x = STANDING[:, None, :, None] + where[:, :, None] + rng.normal(0, noise, (2, frames, 17, len(places)))
    return x.astype(np.float32), rng.random((frames, 17, len(places))) >= missing


def listed(x, seen, orders, **more):
    """The clip in which frame t lists its persons in the order ``orders[t]``, and who stands where."""
    x, seen = x.copy(), seen.copy()
    for t, order in enumerate(orders):
        x[:, t], seen[t] = x[:, t][..., order], seen[t][..., order]
    return RawClip("mine", x * seen, seen, -1, {}, layout="coco-17", tracked=False, **more)


def test_two_who_pass_each_other_keep_their_numbers_in_any_order_of_the_list():
    rng = np.random.default_rng(0)
    x, seen = people(90, [(0, 0, 5), (450, 20, -5)], missing=0.08)
    orders = [rng.permutation(2) for _ in range(90)]
    np.testing.assert_array_equal(follow_persons(listed(x, seen, orders)), np.stack(orders) ^ orders[0][0])


@pytest.mark.parametrize(("gap", "tracks"), [(0, 1), (10, 1), (11, 2)])
def test_a_person_may_be_lost_for_as_long_as_the_gap(gap, tracks):
    x, seen = people(40, [(0, 0, 1)])
    seen[20 : 20 + gap] = False
    found = follow_persons(listed(x, seen, [[0]] * 40), max_gap=10)
    assert found.max() + 1 == tracks
    np.testing.assert_array_equal(found[:, 0] < 0, ~seen.any(axis=1)[:, 0])


def test_left_and_right_exchanged_for_a_frame_do_not_end_a_track():
    x, seen = people(30, [(0, 0, 1)])
    x[0] *= 4  # a broad body: its halves are further apart than the gate
    x[:, 12] = x[:, 12][:, list(COCO.swap)]
    assert follow_persons(listed(x, seen, [[0]] * 30), max_gap=0).max() == 0


def test_a_head_listed_before_the_body_does_not_take_its_number():
    x, seen = people(30, [(0, 0, 1), (0, 0, 1)])
    seen[..., 1] = False
    seen[14, :5, 1], seen[14, :5, 0] = True, False  # in one frame the head is a person of its own
    orders = [[0, 1]] * 30
    orders[14] = [1, 0]
    found = follow_persons(listed(x, seen, orders))
    assert found[14].tolist() == [1, 0]
    assert (np.delete(found, 14, axis=0) == [0, -1]).all()


def test_true_ids_are_kept_however_far_a_person_jumps():
    x, seen = people(6, [(0, 0, 900), (0, 0, 0)])
    seen[2, :, 0] = False
    found = follow_persons(listed(x, seen, [[0, 1]] * 6)._replace(tracked=True))
    np.testing.assert_array_equal(found, [[0, 1], [0, 1], [-1, 1], [0, 1], [0, 1], [0, 1]])


@pytest.mark.parametrize(("fps", "tracks"), [(None, 20), (30, 20), (5, 1)])
def test_at_few_frames_a_second_a_person_may_move_further_between_them(fps, tracks):
    x, seen = people(20, [(0, 0, 60)], noise=0)
    assert follow_persons(listed(x, seen, [[0]] * 20, fps=fps), max_gap=0).max() + 1 == tracks


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 3), st.floats(0, 0.4))
@settings(max_examples=40, deadline=None)
def test_numbers_are_one_person_each_in_the_order_of_first_frames(seed, persons, max_gap, missing):
    rng = np.random.default_rng(seed)
    x, seen = people(12, [(rng.uniform(0, 200), 0, 0) for _ in range(persons)], missing=missing, seed=seed)
    seen &= rng.random((12, 1, persons)) < 0.8
    clip = listed(x, seen, [rng.permutation(persons) for _ in range(12)])
    found = follow_persons(clip, max_gap=max_gap)
    np.testing.assert_array_equal(found >= 0, clip.seen_persons)
    firsts = []
    for number in range(found.max() + 1):
        frames = np.flatnonzero((found == number).any(axis=1))
        assert ((found == number).sum(axis=1) <= 1).all()
        assert len(frames)
        assert np.diff(frames).max(initial=1) <= max_gap + 1
        firsts.append(frames[0])
    assert firsts == sorted(firsts)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_assignment_is_the_cheapest_of_all(seed, rows, columns):
    rng = np.random.default_rng(seed)
    costs = rng.uniform(0, 1.3, (rows, columns))
    pairs = np.argwhere(rng.random((rows, columns)) < 0.7)
    some = costs[pairs[:, 0], pairs[:, 1]]
    chosen = match_pairs(pairs[:, 0], pairs[:, 1], some)
    for axis in range(2):
        assert len(set(pairs[chosen, axis])) == chosen.sum()
    best = 0.0
    for subset in itertools.product([False, True], repeat=len(pairs)) if len(pairs) < 9 else []:
        picked = pairs[list(subset)]
        if len(set(picked[:, 0])) == len(picked) == len(set(picked[:, 1])):
            best = min(best, float((some[list(subset)] - 1).sum()))
    if len(pairs) < 9:
        assert (some[chosen] - 1).sum() == pytest.approx(best)


def test_a_torso_length_comes_from_all_bones_that_are_seen():
    x = np.stack([STANDING, 2 * STANDING, *[STANDING] * 4]).astype(np.float64)
    x[2, :, [11, 12]] -= [0, 40]  # bent towards the camera
    seen = np.ones((6, 17), dtype=bool)
    seen[3, :11] = False  # without shoulders
    np.testing.assert_allclose(body_sizes(x, seen, layout=COCO), [55, 110, 55, 55, 55, 55], rtol=0.02)


def test_sizes_need_no_shoulders_and_no_bones():
    hand = layouts.get("hand-21")
    x = np.random.default_rng(0).standard_normal((3, 2, 21))
    sizes = body_sizes(np.concatenate([x, 5 * x]), np.ones((6, 21), dtype=bool), layout=hand)
    np.testing.assert_allclose(sizes[3:], 5 * sizes[:3])
    assert body_sizes(x, np.zeros((3, 21), dtype=bool), layout=hand).tolist() == [1, 1, 1]


def test_a_long_recording_of_two_takes_memory_and_time_in_proportion():
    rng = np.random.default_rng(0)
    x, seen = people(3000, [(0, 0, 0), (40, 0, 0)], missing=0.08)
    orders = [rng.permutation(2) for _ in range(3000)]
    np.testing.assert_array_equal(follow_persons(listed(x, seen, orders)), np.stack(orders) ^ orders[0][0])


def test_nobody_and_wrong_arguments():
    x, seen = people(5, [(0, 0, 0)])
    clip = listed(x, seen, [[0]] * 5)
    assert (follow_persons(clip._replace(seen=np.zeros_like(seen))) == -1).all()
    assert follow_persons(clip._replace(x=x[..., :0], seen=seen[..., :0])).shape == (5, 0)
    with pytest.raises(TypeError, match="clip: expected a RawClip"):
        follow_persons(x)
    with pytest.raises(ValueError, match="layout: expected a skeleton"):
        follow_persons(clip._replace(layout=None))
    with pytest.raises(ValueError, match="layout: expected one of 17 joints"):
        follow_persons(clip, layout="body-25")
    with pytest.raises(ValueError, match="gate: expected a number > 0"):
        follow_persons(clip, gate=0.0)
    with pytest.raises(TypeError, match="max_gap"):
        follow_persons(clip, max_gap=1.5)
