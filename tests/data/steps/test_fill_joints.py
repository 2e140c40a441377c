import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.data import fill_gaps, fill_joints, synthetic_motion

LAYOUT = layouts.get("sbu")


def clip(seed, frames=12, persons=2):
    rng = np.random.default_rng(seed)
    seen = rng.random((frames, 15, persons)) < rng.uniform(0, 1, size=(15, persons))
    seen &= (rng.random((frames, persons)) < 0.8)[:, None]
    return rng.standard_normal((2, frames, 15, persons)), seen


def between(values, seen, i, max_gap):
    """The value of a joint in frame i from the frames in which it is seen; None where it is lost for long."""
    sights = np.flatnonzero(seen).tolist()
    before, after = [s for s in sights if s <= i], [s for s in sights if s >= i]
    start, end = (before or [-1])[-1], (after or [len(seen)])[0]
    if not sights or end - start - 1 > max_gap:
        return None
    a, b = (start if before else end), (end if after else start)
    weight = 0 if a == b else (i - a) / (b - a)
    return (1 - weight) * values(a) + weight * values(b)


def reference(x, seen, max_gap):
    """The same rules, one joint of one frame at a time."""
    _, frames, joints, persons = x.shape
    out = np.zeros_like(x)
    bones = {frozenset(edge) for edge in LAYOUT.edges}
    order = [LAYOUT.center]
    for each in order:
        order += [w for w in range(joints) if frozenset((each, w)) in bones and w not in order]
    depth = {joint: 0 if joint == LAYOUT.center else None for joint in order}
    for each in order[1:]:
        depth[each] = depth[LAYOUT.parents[each]] + 1
    order.sort(key=lambda joint: (depth[joint], joint))
    for person in range(persons):
        for joint in order:
            for i in range(frames):
                if joint == LAYOUT.center:
                    found = [
                        between(lambda s: x[:, s, other, person], seen[:, other, person], i, max_gap)  # noqa: B023
                        for other in order
                    ]
                    own, *others = found
                    if own is None:
                        own = next((value for value in others if value is not None), 0)
                    out[:, i, joint, person] = own
                    continue
                parent = LAYOUT.parents[joint]
                offset = between(
                    lambda s: x[:, s, joint, person] - out[:, s, parent, person],  # noqa: B023
                    seen[:, joint, person],
                    i,
                    max_gap,
                )
                out[:, i, joint, person] = out[:, i, parent, person] + (0 if offset is None else offset)
        out[:, ~seen[:, :, person].any(axis=1), :, person] = 0
    return out


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 3, 20]))
@settings(max_examples=25, deadline=None)
def test_equals_the_slow_reference(seed, max_gap):
    x, seen = clip(seed)
    got = fill_joints(np.where(seen, x, np.nan), seen, layout=LAYOUT, max_gap=max_gap)
    np.testing.assert_allclose(got, reference(x, seen, max_gap), rtol=0, atol=1e-9)


def test_a_body_that_moves_steadily_comes_back_whole():
    rng = np.random.default_rng(0)
    frames = np.arange(30)[:, None, None]
    pose, drift, speed = rng.standard_normal((3, 3, 1, 15, 1)).reshape(3, 3, 1, 15, 1)
    x = pose + (drift.mean(axis=2, keepdims=True) * 0.1 + 0.02 * speed) * frames
    seen = rng.random((30, 15, 1)) > 0.2
    seen[[0, -1]] = True
    np.testing.assert_allclose(fill_joints(np.where(seen, x, 0), seen, layout=LAYOUT), x, rtol=0, atol=1e-9)


def test_what_is_seen_stays_and_the_input_too():
    x, seen = clip(0)
    before = x.copy()
    got = fill_joints(x, seen, layout=LAYOUT)
    assert np.array_equal(x, before)
    assert np.array_equal(got[:, seen], x[:, seen])
    assert fill_joints(x.astype(np.float32), seen, layout=LAYOUT).dtype == np.float32


def test_bones_keep_their_length_where_joints_are_filled():
    x = synthetic_motion("sbu", classes=4, subjects=1, frames=60, noise=0.0, occlusion=0.0).x.numpy()
    rng = np.random.default_rng(0)
    for moving in x[:8]:
        seen = rng.random(moving.shape[1:]) > 0.1
        filled = fill_joints(np.where(seen, moving, 0), seen, layout=LAYOUT)
        for a, b in LAYOUT.edges:
            length = np.linalg.norm(filled[:, :, a] - filled[:, :, b], axis=0)
            whole = (seen[:, a] & seen[:, b])[..., 0]
            assert np.median(length[~whole]) == pytest.approx(np.median(length[whole]), rel=0.03)


def test_persons_who_are_lost_are_filled_from_whole_poses():
    x, seen = clip(3, persons=1)
    seen[4:6] = False
    seen[[0, -1]] = True
    poses = fill_joints(x, seen, layout=LAYOUT, max_gap=2)
    expected = fill_gaps(poses, seen.any(axis=1), how="interpolate")
    got = fill_gaps(x, seen, how="interpolate", layout=LAYOUT, max_gap=2)
    np.testing.assert_array_equal(got, expected)
    assert (got != 0).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seen": np.ones((4, 15, 1))}, TypeError, "seen: expected a boolean numpy array, got float64"),
        ({"seen": np.ones((4, 14, 1), bool)}, ValueError, r"seen: expected \(t, v, m\) = \(4, 15, 1\) as in x"),
        ({"layout": "coco-17"}, ValueError, "'coco-17' has 17 joints, the clips have 15"),
        ({"max_gap": -1}, ValueError, "max_gap: expected an integer >= 0"),
        ({"max_gap": 1.5}, TypeError, "max_gap: expected an integer"),
        ({"x": np.ones((3, 4, 15))}, ValueError, r"x: expected 4 axes \(c, t, v, m\)"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    arguments = {"x": np.ones((3, 4, 15, 1)), "seen": np.ones((4, 15, 1), bool), "layout": "sbu", **change}
    with pytest.raises(error, match=message):
        fill_joints(arguments.pop("x"), arguments.pop("seen"), **arguments)


def test_a_layout_is_needed_to_place_joints():
    with pytest.raises(ValueError, match=r"layout: expected the skeleton, .* pass layout="):
        fill_gaps(np.ones((3, 4, 15, 1)), np.ones((4, 15, 1), bool))
