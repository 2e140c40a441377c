"""Skeletons of motion capture files take part in remapping by the names of their bones."""

import pytest
import torch

from skelblocks import layouts
from skelblocks.layouts.common_joints import common_names
from skelblocks.layouts.mocap_names import mocap_names

MIXAMO = ["LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand", "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftToeBase"]
STYLES = {
    "mixamo": (["Hips", "Spine", "Spine1", "Spine2", "Neck", "Head"], MIXAMO, ("Left", "Right")),
    "with a prefix": (
        ["mixamorig:Hips", "mixamorig:Spine", "mixamorig:Neck", "mixamorig:Head"],
        [f"mixamorig:{joint}" for joint in MIXAMO],
        ("Left", "Right"),
    ),
    "biovision": (
        ["Hips", "Chest", "Chest2", "Chest3", "Chest4", "Neck", "Head"],
        ["LeftCollar", "LeftShoulder", "LeftElbow", "LeftWrist", "LeftHip", "LeftKnee", "LeftAnkle", "LeftToe"],
        ("Left", "Right"),
    ),
    "letters": (
        ["joint_Root", "Hips", "Spine", "Chest", "Neck", "Head"],
        ["Shoulder_L", "UpperArm_L", "LowerArm_L", "Hand_L", "UpperLeg_L", "LowerLeg_L", "Foot_L", "Toes_L"],
        ("_L", "_R"),
    ),
    "blender": (
        ["hips", "spine", "chest", "neck", "head"],
        ["shoulder.L", "upper_arm.L", "forearm.L", "hand.L", "thigh.L", "shin.L", "foot.L", "toe.L"],
        (".L", ".R"),
    ),
    "biped": (
        ["Bip01 Pelvis", "Bip01 Spine", "Bip01 Spine1", "Bip01 Neck", "Bip01 Head"],
        [
            *("Bip01 L Clavicle", "Bip01 L UpperArm", "Bip01 L Forearm", "Bip01 L Hand"),
            *("Bip01 L Thigh", "Bip01 L Calf", "Bip01 L Foot", "Bip01 L Toe0"),
        ],
        (" L ", " R "),
    ),
}
PLACES = ["clavicle", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "foot"]


def names_of(style):
    middle, left, sides = STYLES[style]
    return middle, left, [joint.replace(*sides) for joint in left]


@pytest.mark.parametrize("style", STYLES)
def test_limbs_are_found(style):
    middle, left, right = names_of(style)
    found = mocap_names([*middle, *left, *right])
    assert [found[joint] for joint in left] == [f"{place}_left" for place in PLACES]
    assert [found[joint] for joint in right] == [f"{place}_right" for place in PLACES]
    assert {"pelvis", "neck", "head"} <= set(found.values())
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        (["Spine"], ["spine"]),
        (["Spine", "Chest"], ["lower_back", "upper_back"]),
        (["Spine", "Spine1", "Spine2"], ["lower_back", "spine", "upper_back"]),
        (["Chest", "Chest2", "Chest3", "Chest4"], ["lower_back", "spine", None, "upper_back"]),
    ],
)
def test_the_back_is_told_apart_by_order(back, expected):
    found = mocap_names(["Hips", *back, "Neck", "Head", *MIXAMO, *[joint.replace("Left", "Right") for joint in MIXAMO]])
    assert [found.get(joint) for joint in back] == expected


def test_a_second_neck_is_not_the_neck():
    found = mocap_names(["Hips", "Neck2", "Neck", *MIXAMO, *[joint.replace("Left", "Right") for joint in MIXAMO]])
    assert (found["Neck"], found.get("Neck2")) == ("neck", None)


def test_other_names_are_left_alone():
    assert mocap_names(["a", "LeftArm", "RightArm"]) == {}
    for name in layouts.available():
        layout = layouts.get(name)
        assert "head" not in layout.joints or "head" in common_names(layout)


@pytest.mark.parametrize("style", ["mixamo", "letters"])
def test_a_skeleton_of_bones_becomes_one_of_kinect(style):
    middle, left, right = names_of(style)
    names = [*middle, *left, *right]
    hips, chest = middle.index("joint_Root") + 1 if style == "letters" else 0, len(middle) - 3
    parents = [max(place - 1, -1) for place in range(len(middle))]
    for first in (len(middle), len(middle) + len(left)):
        parents += [chest, first, first + 1, first + 2, hips, first + 4, first + 5, first + 6]
    layout = layouts.from_hierarchy(parents, names, center=middle[hips])
    ntu = layouts.get("ntu-rgb+d")
    assert [body.name for body in layout.bodies] == [body.name for body in ntu.bodies]
    assert [part.name for part in layout.parts] == [part.name for part in ntu.parts]
    x = torch.randn(2, 3, 4, len(names), 1)
    y, computed = layouts.remap(x, source=layout, target="ntu-rgb+d")
    ntu = layouts.get("ntu-rgb+d")
    for joint, source in (
        ("hip_left", left[4]),
        ("wrist_right", right[3]),
        ("shoulder_left", left[1]),
        ("head", middle[-1]),
    ):
        assert y[..., ntu.index(joint), :].equal(x[..., names.index(source), :])
        assert not computed[ntu.index(joint)]
