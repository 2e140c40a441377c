import re

import pytest

from skelblocks import layouts
from skelblocks.layouts import SkeletonLayout


def renamed(name):
    return {**layouts.get("sbu").to_dict(), "name": name}


def test_the_catalogue():
    assert layouts.available() == (
        "ntu-rgb+d",
        "ntu-rgb+d-anatomical",
        "nw-ucla",
        "utd-mhad",
        "sbu",
        "hdm05",
        "openpose-18",
        "coco-17",
        "h36m-17",
        "body-25",
        "mediapipe-33",
        "halpe-26",
        "hand-21",
        "azure-kinect-32",
        "smpl-22",
        "smpl-24",
        "jhmdb-15",
        "coco-wholebody-133",
        "coco-wholebody-23",
        "msr-action3d",
    )
    assert [layouts.get(name).num_joints for name in layouts.available()] == [
        *(25, 25, 20, 20, 15, 31, 18, 17, 17),
        *(25, 33, 26, 21, 32, 22, 24, 15, 133, 23, 20),
    ]


def test_other_names_of_the_catalogue():
    assert layouts.get("humanml3d-22") is layouts.get("smpl-22")
    assert layouts.get("cmu-31") is layouts.get("hdm05")
    assert layouts.get("utkinect") is layouts.get("nw-ucla")
    with pytest.raises(ValueError, match=r"named 'humanml3d' .did you mean 'humanml3d-22'"):
        layouts.get("humanml3d")


def test_a_name_a_dict_and_a_layout_are_the_same_to_get():
    layout = layouts.get("utd-mhad")
    assert layouts.get(layout) is layout
    assert layouts.get(layout.to_dict()) == layout


def test_registering():
    mine = layouts.register(renamed("mine"))
    assert isinstance(mine, SkeletonLayout)
    assert layouts.get("mine") is mine
    assert layouts.available()[-1] == "mine"
    layouts.register(renamed("mine"))  # equal: as when a module is imported twice
    other = {**layouts.get("coco-17").to_dict(), "name": "mine"}
    with pytest.raises(ValueError, match="another layout is named 'mine'; choose another name, or pass replace=True"):
        layouts.register(other)
    assert layouts.get("mine") == mine
    layouts.register(other, replace=True)
    assert layouts.get("mine").num_joints == 17


def test_what_cannot_be_looked_up():
    with pytest.raises(ValueError, match=r"no layout is named 'vicon'; there are ntu-rgb\+d, .* layouts.register"):
        layouts.get("vicon")
    with pytest.raises(TypeError, match="expected a name, a dict or a SkeletonLayout, got int"):
        layouts.get(25)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ntu", r"'ntu-rgb\+d' or 'ntu-rgb\+d-anatomical'"),
        ("NTU_RGB+D", r"'ntu-rgb\+d'"),
        ("coco17", "'coco-17'"),
        ("ucla", "'nw-ucla'"),
        ("openpose", "'openpose-18'"),
        ("h36m", "'h36m-17'"),
    ],
)
def test_a_name_that_is_nearly_right_is_suggested(name, meant):
    with pytest.raises(ValueError, match=f"named '{re.escape(name)}' .did you mean {meant}"):
        layouts.get(name)


def test_joints_that_are_nearly_right_are_suggested():
    for call in (layouts.get("ntu-rgb+d").index, lambda joint: layouts.restrict("ntu-rgb+d", ["head", joint])):
        with pytest.raises(ValueError, match=r"has no .*'left_hand' .did you mean 'hand_left'"):
            call("left_hand")
