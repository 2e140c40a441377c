import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from skelblocks import layouts, streams
from skelblocks.layouts import SkeletonLayout, restrict, shared_joints

NAMES = layouts.available()


@st.composite
def layouts_and_joints(draw):
    layout = layouts.get(draw(st.sampled_from(NAMES)))
    joints = draw(st.lists(st.sampled_from(layout.joints), min_size=1, unique=True))
    return layout, joints


def way_up(layout, joint):
    """From a joint to the center, the joint first."""
    way = [joint]
    while way[-1] != layout.center:
        way.append(layout.parents[way[-1]])
    return way


@given(layouts_and_joints())
def test_what_is_left_is_a_skeleton_of_those_joints(given_):
    layout, joints = given_
    part = restrict(layout, joints)
    assert part.joints == tuple(joints)
    assert len(part.edges) == len(joints) - 1  # connected, which the layout checks, and so a tree
    old = [layout.index(joint) for joint in joints]
    for new, mirrored in enumerate(part.swap):
        assert mirrored == (old.index(layout.swap[old[new]]) if layout.swap[old[new]] in old else new)
    for mine, whole in ((part.parts, layout.parts), (part.bodies, layout.bodies)):
        assert {name: {old[joint] for joint in group} for name, group in mine} == {
            name: set(group) & set(old) for name, group in whole if set(group) & set(old)
        }
        assert [name for name, _ in mine] == [name for name, group in whole if set(group) & set(old)]


@given(layouts_and_joints())
def test_a_joints_parent_is_its_nearest_kept_ancestor(given_):
    layout, joints = given_
    part = restrict(layout, joints)
    center = joints[part.center]
    assert center == layout.joints[layout.center] or layout.joints[layout.center] not in joints
    for new, joint in enumerate(joints):
        above = [layout.joints[old] for old in way_up(layout, layout.index(joint))[1:]]
        kept = [each for each in above if each in joints]
        expected = joint if joint == center else kept[0] if kept else center
        assert joints[part.parents[new]] == expected


@given(layouts_and_joints())
def test_the_graph_keeps_its_symmetry(given_):
    layout, joints = given_
    both = sorted({*joints, *(layout.joints[layout.swap[layout.index(joint)]] for joint in joints)})
    part = restrict(layout, both)
    if part.swap[part.center] == part.center:
        bones = {frozenset(edge) for edge in part.edges}
        assert {frozenset(part.swap[joint] for joint in bone) for bone in bones} == bones
    else:  # nothing of the midline hangs from outside; else it would be the center
        assert all(
            any(layout.joints[old] in both for old in way_up(layout, layout.index(joint))[1:])
            for i, joint in enumerate(both)
            if part.swap[i] == i
        )


@given(layouts_and_joints(), st.data())
def test_restricting_twice_is_restricting_once_while_the_centre_stays(given_, data):
    layout, joints = given_
    joints = [layout.joints[layout.center], *(j for j in joints if j != layout.joints[layout.center])]
    fewer = joints[:1] + data.draw(st.lists(st.sampled_from(joints[1:]), unique=True)) if joints[1:] else joints
    once, twice = restrict(layout, fewer, name="part"), restrict(restrict(layout, joints), fewer, name="part")
    assert once.parents == twice.parents
    assert (once.swap, once.center) == (twice.swap, twice.center)


@pytest.mark.parametrize("name", NAMES)
def test_all_joints_are_the_layout_itself(name):
    layout = layouts.get(name)
    assert restrict(name, layout.joints) == layout
    assert restrict(layout.to_dict(), layout.joints, name="mine").to_dict() == {**layout.to_dict(), "name": "mine"}
    mixed = restrict(layout, layout.joints[::-1])
    assert mixed.name == f"{name}[{layout.num_joints} joints]"
    assert restrict(mixed, layout.joints, name=name).parents == layout.parents


@given(layouts_and_joints())
def test_bones_are_those_of_the_restricted_clips(given_):
    layout, joints = given_
    part = restrict(layout, joints)
    x = torch.arange(3.0 * 2 * layout.num_joints).view(1, 3, 2, layout.num_joints, 1)
    indices = [layout.index(joint) for joint in joints]
    clips = x[:, :, :, indices]
    bones = streams.bone(clips, layout=part)
    for new, parent in enumerate(part.parents):
        assert bones[:, :, :, new].equal(x[:, :, :, indices[new]] - x[:, :, :, indices[parent]])


def test_without_a_trunk_everything_hangs_from_the_head():
    ntu, ucla = (restrict(name, shared_joints("ntu-rgb+d", "nw-ucla")) for name in ("ntu-rgb+d", "nw-ucla"))
    assert ntu.joints == ucla.joints
    assert ntu.num_joints == 17
    assert ntu.joints[ntu.center] == "head"
    assert ntu.parents == ucla.parents
    assert {ntu.joints[joint] for joint, parent in enumerate(ntu.parents) if parent == ntu.center} == {
        "head",
        *(f"{joint}_{side}" for joint in ("shoulder", "hip") for side in ("left", "right")),
    }
    assert "spine" not in {group.name for group in ntu.parts}
    assert restrict("ntu-rgb+d", ["hand_right", "elbow_left", "shoulder_left"]).center == 2  # nothing of the midline


def test_cycles_between_kept_joints_stay():
    layout = SkeletonLayout.from_dict(
        {
            "name": "ring",
            "joints": ["a", "b", "c", "d"],
            "edges": [[1, 0], [2, 1], [2, 0], [3, 2]],
            "center": 0,
            "swap": [0, 1, 2, 3],
            "parts": {"all": [0, 1, 2, 3]},
            "bodies": {"all": [0, 1, 2, 3]},
        }
    )
    assert restrict(layout, ["a", "b", "c"]).edges == ((1, 0), (2, 1), (2, 0))
    assert restrict(layout, ["a", "d"]).edges == ((1, 0),)


@pytest.mark.parametrize("a", NAMES)
@pytest.mark.parametrize("b", NAMES)
def test_shared_joints_do_not_depend_on_the_order(a, b):
    shared = shared_joints(a, b)
    assert shared == shared_joints(b, a)
    assert set(shared) == set(layouts.get(a).joints) & set(layouts.get(b).joints)
    if a == b:
        assert shared == layouts.get(a).joints


@pytest.mark.parametrize(
    ("joints", "error", "message"),
    [
        ("head", TypeError, "joints: expected a sequence of names, got 'head'"),
        ([0, 1], TypeError, "joints: expected a sequence of names"),
        ([], ValueError, r"joints: expected distinct names of joints, at least one, got \[\]"),
        (["head", "head"], ValueError, "joints: expected distinct names"),
        (["head", "tail"], ValueError, "joints: layout 'ntu-rgb\\+d' has no 'tail'; it has spine_base"),
    ],
)
def test_what_is_no_part_is_refused(joints, error, message):
    with pytest.raises(error, match=message):
        restrict("ntu-rgb+d", joints)
    with pytest.raises(ValueError, match="no layout is named 'cat'"):
        shared_joints("ntu-rgb+d", "cat")
