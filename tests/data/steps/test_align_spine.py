import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelblocks import layouts
from skelblocks.data import align_spine
from skelblocks.data.steps.align_spine import HIP

HAVE_A_SPINE = [name for name in layouts.available() if set(HIP) & set(layouts.get(name).joints)]
JOINTS = {"hip": 0, "spine": 1, "left": 4, "right": 8}  # of NTU RGB+D and NW-UCLA


def clips(shape=(3, 3, 6, 20, 2), *, seed=0, lost=()):
    """Random clips; `lost` lists (sample, frame, person) without anybody."""
    x = np.random.default_rng(seed).standard_normal(shape)
    for n, t, m in lost:
        x[n, :, t, :, m] = 0
    return x


def lines(x, person=0, frame=0):
    pose = x[:, frame, :, person]
    return pose[:, 1] - pose[:, 0], pose[:, 8] - pose[:, 4]


def about(axis, angle):
    """Rodrigues' rotation about an axis."""
    a, b, c = axis / np.linalg.norm(axis)
    k = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def smallest_turn(line, axis):
    normal = np.cross(line, axis)
    if np.abs(line).sum() < 1e-6 or np.abs(normal).sum() < 1e-6:
        return np.eye(3)
    return about(normal, np.arccos(line @ axis / np.linalg.norm(line)))


def reference(x, mode):
    """One clip at a time: turn the spine upright, then the shoulders."""
    out = x.copy()
    for n in range(len(x)):
        seen = [[x[n, :, t, :, m].any() for t in range(x.shape[2])] for m in range(x.shape[4])]
        person = 0 if mode == "official" else next((m for m in range(x.shape[4]) if any(seen[m])), 0)
        frame = next((t for t in range(x.shape[2]) if seen[person][t]), 0)
        up, across = lines(x[n], person, frame)
        turn = smallest_turn(up, np.eye(3)[2])
        across = turn @ across
        if mode == "official":
            turn = smallest_turn(across, np.eye(3)[0]) @ turn
        else:
            turn = about(np.eye(3)[2], -np.arctan2(across[1], across[0])) @ turn
        for t in range(x.shape[2]):
            for v in range(x.shape[3]):
                for m in range(x.shape[4]):
                    out[n, :, t, v, m] = turn @ x[n, :, t, v, m]
    return out


@pytest.mark.parametrize("mode", ["spine", "official"])
def test_equals_the_slow_reference_with_gaps_and_absent_persons(mode):
    nobody = [(3, t, m) for t in range(6) for m in range(2)]
    late = [(1, 0, 0), (1, 1, 0), (2, 0, 1), *((0, t, 0) for t in range(6))]  # and an absent first person
    x = clips((4, 3, 6, 20, 2), lost=nobody + late)
    y = align_spine(x, layout="nw-ucla", mode=mode)
    np.testing.assert_allclose(y, reference(x, mode), rtol=0, atol=1e-12)
    assert (y[3] == 0).all()
    assert ((y == 0) == (x == 0)).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from(["spine", "official"]))
@settings(max_examples=40, deadline=None)
def test_one_proper_rotation_a_clip(seed, mode):
    x = clips(seed=seed)
    y = align_spine(x, layout="nw-ucla", mode=mode)
    for before, after in zip(x, y, strict=True):
        turn, *_ = np.linalg.lstsq(before.reshape(3, -1).T, after.reshape(3, -1).T, rcond=None)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(turn) == pytest.approx(1)  # never mirrored
        np.testing.assert_allclose(before.reshape(3, -1).T @ turn, after.reshape(3, -1).T, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_however_the_camera_stood_the_result_is_the_same(seed):
    x = clips(seed=seed, lost=[(0, 0, 0)])
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    turn *= np.linalg.det(turn)
    y = align_spine(x, layout="nw-ucla")
    np.testing.assert_allclose(align_spine(np.einsum("ij,njtvm->nitvm", turn, x), layout="nw-ucla"), y, atol=1e-8)
    np.testing.assert_allclose(align_spine(y, layout="nw-ucla"), y, atol=1e-9)


@pytest.mark.parametrize("name", HAVE_A_SPINE)
def test_the_spine_stands_and_the_shoulders_lie_along_their_axes(name):
    layout = layouts.get(name)
    hip = next(joint for joint in HIP if joint in layout.joints)
    names = ("spine_middle", "spine", "lower_back", "spine_naval", "spine1")
    spine = next(joint for joint in names if joint in layout.joints)
    x = clips((2, 3, 4, layout.num_joints, 2))
    y = align_spine(x, layout=layout)[:, :, 0, :, 0]
    up = y[..., layout.index(spine)] - y[..., layout.index(hip)]
    across = y[..., layout.index("shoulder_right")] - y[..., layout.index("shoulder_left")]
    np.testing.assert_allclose(up[:, :2], 0, atol=1e-12)
    np.testing.assert_allclose(across[:, 1], 0, atol=1e-12)
    assert (up[:, 2] > 0).all()
    assert (across[:, 0] > 0).all()


def test_the_official_second_turn_tips_the_spine():
    x = clips()
    y = align_spine(x, layout="nw-ucla", mode="official")
    up, across = lines(y[0])
    np.testing.assert_allclose(across[1:], 0, atol=1e-12)
    assert across[0] > 0
    assert np.hypot(*up[:2]) > 0.01
    square = np.zeros((3, 1, 20, 1))
    square[:, 0, 1, 0], square[:, 0, 8, 0] = (0.1, 0.5, 0.2), (0.5, -0.1, 0)  # shoulders square to the spine
    for mode in ("spine", "official"):
        up, across = lines(align_spine(square, layout="nw-ucla", mode=mode))
        np.testing.assert_allclose(np.hypot(*up[:2]), 0, atol=1e-12)
        np.testing.assert_allclose(across[1:], 0, atol=1e-12)


def test_frames_without_a_length_are_passed_over():
    x = clips((2, 3, 6, 20, 1))
    x[0, :, 0, 1] = x[0, :, 0, 0]  # no spine in the first frame
    x[0, :, 1, 8] = x[0, :, 1, 4] + 2 * (x[0, :, 1, 1] - x[0, :, 1, 0])  # shoulders along the spine in the second
    x[1, :, :, 8] = x[1, :, :, 4]  # no shoulders at all
    y = align_spine(x, layout="nw-ucla")
    up, across = lines(y[0], frame=2)
    np.testing.assert_allclose([*up[:2], across[1]], 0, atol=1e-12)
    np.testing.assert_array_equal(y[1], x[1])
    official = align_spine(x, layout="nw-ucla", mode="official")
    np.testing.assert_allclose(official, reference(x, "official"), atol=1e-12)  # one turn is left out


def test_upside_down_is_turned_upright():
    x = np.zeros((3, 1, 20, 1))
    x[2, 0, 1], x[0, 0, 8] = -1, 1  # the spine points down the axis
    up, across = lines(align_spine(x, layout="nw-ucla"))
    np.testing.assert_allclose([up, across], [(0, 0, 1), (1, 0, 0)], atol=1e-12)
    np.testing.assert_array_equal(align_spine(x, layout="nw-ucla", mode="official"), x)


def test_joints_by_name_or_number_and_leading_axes():
    x = clips((2, 3, 4, 25, 2))
    y = align_spine(x, layout="ntu-rgb+d")
    np.testing.assert_array_equal(align_spine(x, layout="ntu-rgb+d", **JOINTS), y)
    names = dict(zip(JOINTS, ("spine_base", "spine_middle", "shoulder_left", "shoulder_right"), strict=True))
    np.testing.assert_array_equal(align_spine(x, layout="ntu-rgb+d", **names), y)
    other = align_spine(x, layout="ntu-rgb+d", left="hip_left", right=16)
    np.testing.assert_allclose(other[:, 1, 0, 16, 0], other[:, 1, 0, 12, 0], atol=1e-12)
    np.testing.assert_allclose(align_spine(x[0], layout="ntu-rgb+d"), y[0], atol=1e-14)
    np.testing.assert_allclose(align_spine(x[:, None], layout="ntu-rgb+d")[:, 0], y, atol=1e-14)


def test_keeps_the_dtype_does_not_write_and_takes_no_clip():
    x = clips().astype(np.float32)
    x.flags.writeable = False
    for mode in ("spine", "official"):
        y = align_spine(x, layout="nw-ucla", mode=mode)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y, align_spine(x.astype(np.float64), layout="nw-ucla", mode=mode), atol=2e-6)
        for shape in ((0, 3, 6, 20, 2), (3, 0, 20, 2), (3, 6, 20, 0)):
            assert align_spine(np.zeros(shape), layout="nw-ucla", mode=mode).shape == shape


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 5, 25), {"layout": "ntu-rgb+d"}, r"x: expected axes \(\.\.\., c=3, t, v, m\), got shape \(3, 5, 25\)"),
        ((2, 5, 25, 1), {"layout": "ntu-rgb+d"}, "c=3.* have no depth to turn in, leave them as they are"),
        ((3, 5, 20, 1), {"layout": "ntu-rgb+d"}, "layout: 'ntu-rgb.d' has 25 joints, the clips have 20"),
        ((3, 5, 15, 1), {"layout": "sbu"}, "spine: layout 'sbu' has no joint .*; pass spine= as one of head, neck"),
        ((3, 5, 15, 1), {"layout": "sbu", "spine": "torso"}, "hip: layout 'sbu' has no joint 'spine_base' or"),
        ((3, 5, 17, 1), {"layout": "coco-17"}, "spine: layout 'coco-17' has no joint"),
        ((3, 5, 20, 1), {"layout": "nw-ucla", "hip": 20}, r"hip: expected a joint in 0\.\.19, got 20"),
        ((3, 5, 20, 1), {"layout": "nw-ucla", "left": "ear"}, "layout 'nw-ucla' has no joint 'ear'"),
        ((3, 5, 20, 1), {"layout": "nw-ucla", "mode": "up"}, "mode: expected one of 'spine', 'official'"),
    ],
)
def test_wrong_calls_say_what_was_expected(shape, options, message):
    with pytest.raises(ValueError, match=message):
        align_spine(np.ones(shape), **options)


@pytest.mark.parametrize("x", [[[1.0]], np.zeros((1, 3, 5, 20, 1), dtype=int)])
def test_other_numbers_are_refused(x):
    with pytest.raises(TypeError, match="floating-point numpy array"):
        align_spine(x, layout="nw-ucla")
