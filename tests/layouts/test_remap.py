import numpy as np
import pytest
import torch

from skelblocks import layouts
from skelblocks.data.synthetic.body_model import BENDING_JOINTS, SEGMENTS, body_joints, forward_kinematics
from skelblocks.layouts.common_joints import COMMON_PARENTS, common_name, common_names
from skelblocks.layouts.made_joints import WAYS, make_joint
from skelblocks.layouts.remap import joint_sources

NAMES = [name for name in layouts.available() if name not in ("hand-21", "coco-wholebody-133")]
FACE = ("nose", "eye", "ear", "mouth")  # no way leads to them from a head
# Where the synthetic body puts the joint is not where the data set's tracker does: see the tables.
ELSEWHERE = {("sbu", "neck"), ("openpose-18", "neck"), ("body-25", "neck"), ("halpe-26", "neck")}


@pytest.fixture(scope="module")
def body():
    """Forty bodies in random poses, (joints, 3, 40), in meters."""
    draws = torch.Generator().manual_seed(0)
    poses = {joint: torch.rand(3, 40, generator=draws) - 0.5 for joint in BENDING_JOINTS}
    return forward_kinematics(poses, scales=torch.ones(len(SEGMENTS), 1))


def pairs():
    return [(a, b) for a in NAMES for b in NAMES if a != b]


def face(joint):
    return joint.startswith(FACE)


@pytest.mark.parametrize(("source", "target"), pairs())
def test_joints_land_where_the_other_skeleton_has_them(body, source, target):
    x, expected = (body[list(body_joints(layouts.get(name)))] for name in (source, target))
    placed, computed = layouts.remap(x, source=source, target=target, axis=0, missing="nearest")
    off = (placed - expected).norm(dim=1).mean(dim=1)
    moved = {joint for name, joint in ELSEWHERE if name in (source, target)}
    for joint, own, distance in zip(layouts.get(target).joints, computed, off, strict=True):
        if common_name(joint) in ("neck", "thorax") and moved:
            assert distance < 0.11, joint
        elif not own:
            assert distance == 0, joint
        elif face(joint) or common_name(joint).startswith(("foot", "toes", "small_toe")):
            assert distance < 0.2, joint
        else:
            assert distance < 0.1, joint


@pytest.mark.parametrize(("source", "target"), pairs())
def test_there_and_back(body, source, target):
    x = body[list(body_joints(layouts.get(source)))]
    there, _ = layouts.remap(x, source=source, target=target, axis=0, missing="nearest")
    back, computed = layouts.remap(there, source=target, target=source, axis=0, missing="nearest")
    measured = common_names(layouts.get(target))
    for joint, name in enumerate(common_names(layouts.get(source))):
        assert bool(computed[joint]) == (name not in measured)
        if name in measured:
            assert back[joint].equal(x[joint])


def test_by_hand():
    """The placement that the released weights were measured with on Kinect v1 clips."""
    x = torch.randn(2, 3, 5, 20, 2, dtype=torch.float64)
    placed, computed = layouts.remap(x, source="nw-ucla", target="ntu-rgb+d")
    kinect, ntu = layouts.get("nw-ucla"), layouts.get("ntu-rgb+d")
    pick = lambda name: x[..., kinect.index(name), :]  # noqa: E731
    same = {"spine_base": "hip_center", "spine_middle": "spine", "spine_shoulder": "shoulder_center"}
    same |= {f"{joint}_{side}": f"hand_{side}" for joint in ("hand_tip", "thumb") for side in ("left", "right")}
    for joint in ntu.joints:
        own = placed[..., ntu.index(joint), :]
        if joint == "neck":
            torch.testing.assert_close(own, (2 * pick("shoulder_center") + pick("head")) / 3)
        else:
            assert own.equal(pick(same.get(joint, joint)))
    assert [ntu.joints[joint] for joint in computed.nonzero().flatten()] == [
        *("neck", "hand_tip_left", "thumb_left", "hand_tip_right", "thumb_right"),
    ]


def test_two_dimensional_keypoints_become_a_kinect_body():
    x = torch.zeros(17, 2)
    coco = layouts.get("coco-17")
    points = {
        "hip_left": (-1, 0),
        "hip_right": (1, 0),
        "shoulder_left": (-2, 4),
        "shoulder_right": (2, 4),
        "ear_left": (-1, 7),
        "ear_right": (1, 7),
        "elbow_left": (-2, 0),
        "wrist_left": (-2, -4),
    }
    for name, point in points.items():
        x[coco.index(name)] = torch.tensor(point, dtype=torch.float32)
    placed, computed = layouts.remap(x, source=coco, target="ntu-rgb+d", axis=0)
    ntu = layouts.get("ntu-rgb+d")
    at = {name: placed[ntu.index(name)].tolist() for name in ntu.joints}
    assert (at["spine_base"], at["spine_middle"], at["spine_shoulder"]) == ([0, 0], [0, 2], [0, 4])
    assert at["head"] == [0, 7]
    assert at["neck"] == pytest.approx([0, 5])
    assert at["hand_left"] == pytest.approx([-2, -5.28])
    assert at["ankle_left"] == at["foot_left"]
    assert int(computed.sum()) == 13


def test_arrays_and_tensors_are_the_same_and_stay_what_they_are():
    draws = np.random.default_rng(0)
    for dtype in (np.float16, np.float32, np.float64):
        x = draws.normal(size=(3, 2, 17, 4)).astype(dtype)
        placed, computed = layouts.remap(x, source="coco-17", target="sbu")
        assert (placed.dtype, placed.shape, computed.dtype, computed.shape) == (dtype, (3, 2, 15, 4), bool, (15,))
        as_tensor, own = layouts.remap(torch.from_numpy(x), source="coco-17", target="sbu")
        np.testing.assert_allclose(placed, as_tensor.numpy(), rtol=1e-2 if dtype is np.float16 else 1e-5, atol=1e-2)
        assert own.tolist() == computed.tolist()


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis_holds_the_joints(axis):
    x = torch.randn(2, 3, 20)
    placed, _ = layouts.remap(x.movedim(2, axis), source="nw-ucla", target="utd-mhad", axis=axis)
    assert placed.movedim(axis, 2).equal(layouts.remap(x, source="nw-ucla", target="utd-mhad", axis=2)[0])
    array, _ = layouts.remap(x.movedim(2, axis).numpy(), source="nw-ucla", target="utd-mhad", axis=axis)
    assert torch.from_numpy(array).equal(placed)


def test_absent_persons_stay_absent_and_gradients_flow():
    x = torch.randn(2, 3, 5, 20, 2)
    x[..., 1] = 0
    x.requires_grad_()
    placed, _ = layouts.remap(x, source="nw-ucla", target="ntu-rgb+d")
    assert not placed[..., 1].any()
    placed.sum().backward()
    torch.testing.assert_close(x.grad.sum(), torch.tensor(25.0 * 2 * 3 * 5 * 2))


def test_a_joint_that_is_not_a_number_touches_those_alone_that_are_made_of_it():
    x = torch.randn(3, 17)
    coco, ntu = layouts.get("coco-17"), layouts.get("ntu-rgb+d")
    x[:, coco.index("ear_left")] = torch.nan
    placed, _ = layouts.remap(x, source=coco, target=ntu, axis=-1)
    assert {ntu.joints[joint] for joint in placed[0].isnan().nonzero().flatten()} == {"head", "neck"}


def test_joints_that_cannot_be_made_are_named():
    x = torch.randn(2, 3, 5, 25, 1)
    with pytest.raises(
        ValueError, match=r"'ntu-rgb\+d' lacks nose, eye_left, eye_right, ear_left, ear_right of 'coco-17'"
    ):
        layouts.remap(x, source="ntu-rgb+d", target="coco-17")
    placed, computed = layouts.remap(x, source="ntu-rgb+d", target="coco-17", missing="nearest")
    head = x[..., 3, :]
    assert all(placed[..., joint, :].equal(head) for joint in range(5))
    assert computed.tolist() == [True] * 5 + [False] * 12


def test_a_limb_that_is_missing_goes_to_its_nearest_joint():
    source = layouts.restrict("ntu-rgb+d", [j for j in layouts.get("ntu-rgb+d").joints if not j.startswith("knee")])
    x = torch.randn(23, 3)
    with pytest.raises(ValueError, match="lacks knee_left, knee_right of 'nw-ucla'"):
        layouts.remap(x, source=source, target="nw-ucla", axis=0)
    placed, computed = layouts.remap(x, source=source, target="nw-ucla", axis=0, missing="nearest")
    nw = layouts.get("nw-ucla")
    assert placed[nw.index("knee_left")].equal(x[source.index("hip_left")])
    assert computed[nw.index("knee_left")]


def tailed(name, parent):
    layout = layouts.get("nw-ucla").to_dict()
    count = len(layout["joints"])
    return {
        **layout, "name": "tailed", "joints": [*layout["joints"], name], "swap": [*layout["swap"], count],
        "edges": [*layout["edges"], [count, layout["joints"].index(parent)]],
        "parts": {**layout["parts"], "tail": [count]}, "bodies": {**layout["bodies"], "tail": [count]},
    }  # fmt: skip


def test_joints_with_names_of_ones_own():
    x = torch.randn(21, 3)
    mine, other = tailed("tail", "spine"), tailed("tail", "spine")
    assert layouts.remap(x, source=mine, target=other, axis=0)[0].equal(x)
    with pytest.raises(ValueError, match="'nw-ucla' lacks tail of 'tailed'"):
        layouts.remap(x[:20], source="nw-ucla", target=mine, axis=0)
    placed, computed = layouts.remap(x[:20], source="nw-ucla", target=mine, axis=0, missing="nearest")
    assert placed[20].equal(x[layouts.get("nw-ucla").index("spine")])
    assert computed.tolist() == [False] * 20 + [True]


def test_skeletons_of_different_things_are_refused():
    hand = {
        "name": "hand", "joints": ["a", "b"], "edges": [[1, 0]], "center": 0, "swap": [0, 1],
        "parts": {"a": [0, 1]}, "bodies": {"a": [0, 1]},
    }  # fmt: skip
    for missing, message in (("error", "lacks a, b of 'hand'"), ("nearest", "no joint in common")):
        with pytest.raises(ValueError, match=message):
            layouts.remap(torch.randn(25), source="ntu-rgb+d", target=hand, axis=0, missing=missing)


def test_two_joints_of_one_meaning_are_refused():
    with pytest.raises(ValueError, match="'spine' and 'torso' of 'tailed' both mean 'spine'; rename one"):
        layouts.remap(torch.randn(21), source=tailed("torso", "spine"), target="sbu", axis=0)


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (torch.zeros(2, 20, 1), {"axis": 0}, ValueError, "expected the 20 joints of 'nw-ucla' on axis 0, got shape"),
        (torch.zeros(2, 25, 1), {}, ValueError, r"on axis -2, got shape \(2, 25, 1\); pass the axis of the joints"),
        (torch.zeros(20), {}, ValueError, "axis"),
        (torch.zeros(20), {"axis": 1}, ValueError, "axis"),
        (torch.zeros(20, 1), {"axis": 0.5}, TypeError, "axis: expected an integer"),
        (torch.zeros(20, 1, dtype=torch.int64), {}, TypeError, r"torch.int64; convert them with x.float\(\)"),
        (np.zeros((20, 1), int), {}, TypeError, "int64; convert them with x.astype"),
        (np.ma.masked_equal(np.zeros((20, 1)), 0), {}, TypeError, "got MaskedArray"),
        ([[0.0]] * 20, {}, TypeError, "expected a tensor or an array, got list"),
        (
            torch.zeros(20, 1),
            {"missing": "skip"},
            ValueError,
            "missing: expected one of 'error', 'nearest'",
        ),
        (torch.zeros(20, 1), {"target": "vicon"}, ValueError, "no layout is named 'vicon'"),
    ],
)
def test_wrong_arguments(x, options, error, message):
    with pytest.raises(error, match=message):
        layouts.remap(x, **{"source": "nw-ucla", "target": "sbu", **options})


def test_the_tables_hold_common_names_and_means():
    for name, ways in WAYS.items():
        assert name in COMMON_PARENTS
        for way in ways:
            assert name not in way
            assert set(way) <= set(COMMON_PARENTS)
            assert sum(way.values()) == pytest.approx(1)
    for name, parent in COMMON_PARENTS.items():
        assert parent in COMMON_PARENTS
        assert (parent == name) == (name == "pelvis")


@pytest.mark.parametrize(("source", "target"), pairs())
def test_whatever_is_made_is_a_mean(source, target):
    rows, computed = joint_sources(layouts.get(source), layouts.get(target), missing="nearest")
    for row, own in zip(rows, computed, strict=True):
        assert sum(row.values()) == pytest.approx(1)
        assert own or list(row.values()) == [1]


def test_ways_do_not_run_in_circles():
    for name in COMMON_PARENTS:
        assert make_joint(name, []) is None
