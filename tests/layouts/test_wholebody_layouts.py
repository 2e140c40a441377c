"""Body, feet, face and hands in one layout."""

import numpy as np
import torch

from skelblocks import layouts

WHOLE = layouts.get("coco-wholebody-133")
# The pairs that the data set's authors exchange in a mirrored picture, counted from 0.
FACE_PAIRS = [
    *[(23 + i, 39 - i) for i in range(8)],
    *[(40 + i, 49 - i) for i in range(5)],
    *[(54, 58), (55, 57)],
    *[(59, 68), (60, 67), (61, 66), (62, 65), (63, 70), (64, 69)],
    *[(71, 77), (72, 76), (73, 75), (82, 78), (81, 79)],
    *[(83, 87), (84, 86), (90, 88)],
]
ALONE = [31, *range(50, 54), 56, 74, 80, 85, 89]


def test_the_first_joints_are_those_of_coco():
    assert WHOLE.joints[:17] == layouts.get("coco-17").joints
    assert WHOLE.joints[17:23] == tuple(
        f"{joint}_{side}" for side in ("left", "right") for joint in ("big_toe", "small_toe", "heel")
    )
    assert layouts.get("coco-wholebody-23").joints == WHOLE.joints[:23]


def test_the_mirror_image_of_the_face():
    for right, left in FACE_PAIRS:
        assert (WHOLE.swap[right], WHOLE.swap[left]) == (left, right)
        assert (WHOLE.joints[right][-6:], WHOLE.joints[left][-5:]) == ("_right", "_left")
    assert [joint for joint in range(23, 91) if WHOLE.swap[joint] == joint] == ALONE


def test_hands_are_numbered_as_one_hand_alone():
    hand = layouts.get("hand-21")
    for first in (91, 112):
        assert [joint.rpartition("_")[0] for joint in WHOLE.joints[first + 1 : first + 21]] == list(hand.joints[1:])
        assert {(a - first, b - first) for a, b in WHOLE.edges if a > first and a < first + 21} == set(hand.edges)
    assert WHOLE.swap[91:112] == tuple(range(112, 133))
    assert (WHOLE.parents[91], WHOLE.parents[112]) == (9, 10)


def test_the_body_is_a_restriction():
    body = layouts.restrict(WHOLE, WHOLE.joints[:23])
    whole = layouts.get("coco-wholebody-23")
    assert (body.edges, body.swap, body.center) == (whole.edges, whole.swap, whole.center)
    assert [set(part.joints) for part in body.parts] == [set(part.joints) for part in whole.parts]


def test_remapping_takes_hands_from_the_fingers():
    x = torch.randn(2, 2, 5, 133, 1)
    y, computed = layouts.remap(x, source=WHOLE, target="ntu-rgb+d", missing="error")
    ntu = layouts.get("ntu-rgb+d")
    for joint, source in (
        ("hand_left", "middle_mcp_left"),
        ("hand_tip_right", "middle_tip_right"),
        ("thumb_left", "thumb_tip_left"),
    ):
        assert y[..., ntu.index(joint), :].equal(x[..., WHOLE.index(source), :])
        assert not computed[ntu.index(joint)]


def test_msr_action3d_is_the_same_sensor_in_another_order():
    msr, ucla = layouts.get("msr-action3d"), layouts.get("nw-ucla")
    assert sorted(msr.joints) == sorted(ucla.joints)
    named = lambda layout: {frozenset((layout.joints[a], layout.joints[b])) for a, b in layout.edges}  # noqa: E731
    assert named(msr) == named(ucla)
    # Counted from 1, the bones of the codes for this data set.
    bones = [20, 3, 1, 3, 2, 3, 1, 8, 8, 10, 10, 12, 2, 9, 9, 11, 11, 13, 3, 4, 4, 7, 7, 5, 7, 6]
    bones += [5, 14, 6, 15, 14, 16, 16, 18, 15, 17, 17, 19]
    pairs = {frozenset(pair) for pair in (np.array(bones).reshape(-1, 2) - 1).tolist()}
    assert {frozenset(edge) for edge in msr.edges} == pairs
