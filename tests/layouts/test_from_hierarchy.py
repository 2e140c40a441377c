import pytest

from skelblocks import layouts
from skelblocks.layouts import from_hierarchy
from skelblocks.layouts.common_joints import common_names

BODIES = [name for name in layouts.available() if name != "hand-21" and "coco" not in name and "mediapipe" not in name]


def tree(name):
    layout = layouts.get(name)
    return [-1 if parent == joint else parent for joint, parent in enumerate(layout.parents)], layout.joints


@pytest.mark.parametrize("name", layouts.available())
def test_bones_and_mirror_image_of_the_catalogue(name):
    layout = layouts.get(name)
    result = from_hierarchy(*tree(name), name=name, center=layout.joints[layout.center])
    assert result.swap == layout.swap
    assert {frozenset(edge) for edge in result.edges} == {frozenset((a, b)) for a, b in layout.edges}
    assert result.center == layout.center
    assert layouts.get(result.to_dict()) == result


@pytest.mark.parametrize("name", BODIES)
def test_limbs_of_the_catalogue_are_found(name):
    layout = layouts.get(name)
    result = {group.name: set(group.joints) for group in from_hierarchy(*tree(name)).bodies}
    expected = {group.name: set(group.joints) for group in layout.bodies}
    if set(result) == set(expected):
        assert result == expected
    else:  # the hips hang on the shoulders, so that each side is one limb
        assert name == "openpose-18"
        assert len(result) == 3


@pytest.mark.parametrize(
    "pair",
    [
        *(("LeftArm", "RightArm"), ("mixamorig:LeftArm", "mixamorig:RightArm"), ("hand.L", "hand.R")),
        *(("l_knee", "r_knee"), ("lfemur", "rfemur"), ("LHand", "RHand"), ("Left Foot", "Right Foot")),
        *(("thumb_01_l", "thumb_01_r"), ("LEFT_HIP", "RIGHT_HIP"), ("Bip01 L Thigh", "Bip01 R Thigh")),
        *(("LThumb1", "RThumb1"), ("hip_left", "hip_right")),
    ],
)
def test_sides_in_the_names_that_tools_write(pair):
    assert from_hierarchy([-1, 0, 0, 0], ["Hips", pair[0], "Tail", pair[1]]).swap == (0, 3, 2, 1)


def test_what_is_no_side():
    names = ["root", "lower", "rib", "upper_l", "Lleft", "right"]
    assert from_hierarchy([-1, 0, 0, 0, 0, 0], names).swap == (0, 1, 2, 3, 4, 5)


def test_a_motion_capture_skeleton():
    names = ["root", "lhipjoint", "lfemur", "ltibia", "lfoot", "rhipjoint", "rfemur", "rtibia", "rfoot", "back", "head"]
    result = from_hierarchy([0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9], names, name="amc")
    assert (result.name, result.center, result.num_joints) == ("amc", 0, 11)
    assert [(group.name, [names[j] for j in group.joints]) for group in result.bodies] == [
        ("lhipjoint", ["lhipjoint", "lfemur", "ltibia", "lfoot"]),
        ("rhipjoint", ["rhipjoint", "rfemur", "rtibia", "rfoot"]),
        ("torso", ["root", "back", "head"]),
    ]
    assert [(group.name, len(group.joints)) for group in result.parts] == [
        *(("lhipjoint", 2), ("lhipjoint_end", 2), ("rhipjoint", 2), ("rhipjoint_end", 2), ("spine", 2), ("head", 1)),
    ]


def test_a_long_chain():
    result = from_hierarchy([-1, *range(2999)], [f"joint {i}" for i in range(3000)])
    assert [len(group.joints) for group in result.bodies] == [2999, 1]


@pytest.mark.parametrize(
    ("parents", "names", "options", "error", "message"),
    [
        ([-1, 0], ["a"], {}, ValueError, "names: expected 2 distinct names, .* got 1: a"),
        ([-1, 0], ["a", "a"], {}, ValueError, "names: expected 2 distinct names"),
        ([], [], {}, ValueError, "names: expected 0 distinct"),
        ([-1, 0], "ab", {}, TypeError, "names: expected a sequence of strings, got 'ab'"),
        ([-1, 0], ["a", 1], {}, TypeError, "names: expected a sequence of strings"),
        ([-1, 2], ["a", "b"], {}, ValueError, "parents: expected indices of joints below 2, got 2"),
        ([-1, -2], ["a", "b"], {}, ValueError, "parents: expected an integer >= -1, got -2"),
        ([-1, 0.0], ["a", "b"], {}, TypeError, "parents: expected an integer >= -1, got 0.0"),
        ([-1, -1], ["a", "b"], {}, ValueError, "parents: expected one root, with parent -1, got a, b; give"),
        ([1, 0], ["a", "b"], {}, ValueError, "got none"),
        ([-1, 2, 1], ["a", "b", "c"], {}, ValueError, "parents: expected a tree, got a cycle through 'b'"),
        ([-1, 0], ["hips", "head"], {"center": "hip"}, ValueError, "got 'hip' .did you mean 'hips'"),
    ],
)
def test_what_is_no_tree(parents, names, options, error, message):
    with pytest.raises(error, match=message):
        from_hierarchy(parents, names, **options)


def test_every_layout_but_the_hand_has_common_names():
    for name in layouts.available():
        if name != "hand-21":
            names = common_names(layouts.get(name))
            assert len(set(names)) == len(names)
            layouts.remap(__import__("torch").zeros(len(names), 3), source=name, target="ntu-rgb+d", axis=0)
