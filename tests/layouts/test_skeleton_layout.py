import copy
import dataclasses
import json
import pickle

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from skelblocks import layouts
from skelblocks.layouts import JointGroup, SkeletonLayout

ARM = {
    "name": "arm",
    "joints": ["shoulder", "elbow", "wrist", "thumb", "tip"],
    "edges": [[1, 0], [2, 1], [3, 2], [4, 2]],
    "center": 0,
    "swap": [0, 1, 2, 4, 3],
    "parts": {"upper": [0, 1], "lower": [2, 3, 4]},
    "bodies": {"arm": [4, 3, 2, 1, 0]},
}

everywhere = pytest.mark.parametrize("name", layouts.available())


@everywhere
def test_catalogue_survives_json_pickle_and_copies(name):
    layout = layouts.get(name)
    assert SkeletonLayout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout
    assert pickle.loads(pickle.dumps(layout)) == copy.deepcopy(layout) == layout
    assert hash(copy.deepcopy(layout)) == hash(layout)


@everywhere
def test_catalogue_has_bones_towards_the_centre_and_mirrored_limbs(name):
    layout = layouts.get(name)
    assert {(joint, parent) for joint, parent in enumerate(layout.parents) if joint != layout.center} == set(
        layout.edges
    )
    bones = {frozenset(edge) for edge in layout.edges}
    assert {
        frozenset(layout.swap[joint] for joint in bone) for bone in bones
    } == bones  # the mirror image is the same graph
    for groups in (layout.parts, layout.bodies):
        sets = {frozenset(group.joints) for group in groups}
        assert {frozenset(layout.swap[joint] for joint in group) for group in sets} == sets
        for group in groups:
            side = group.name.partition("_")[0]
            if side in ("left", "right"):
                assert all(layout.joints[joint].endswith(side) for joint in group.joints)


@everywhere
def test_parts_and_bodies_are_connected_along_bones(name):
    layout = layouts.get(name)
    for group in layout.parts + layout.bodies:
        if layout.name in ("coco-17", "openpose-18") and group.name in ("torso", "head"):
            continue  # without joints of the spine the face hangs together through the neck or nose
        reached, frontier = set(group.joints[:1]), set(group.joints[:1])
        while frontier:
            near = {a for edge in layout.edges for a, b in (edge, edge[::-1]) if b in frontier}
            frontier = (near & set(group.joints)) - reached
            reached |= frontier
        assert reached == set(group.joints), group


def test_ntu_is_the_released_codes():
    ntu = layouts.get("ntu-rgb+d")
    assert ntu.swap[4:8] == (8, 9, 10, 11)
    assert ntu.swap[21:] == (23, 24, 21, 22)
    assert [group.joints for group in ntu.parts[:4]] == [(0, 1, 20), (2, 3), (4, 5, 6), (7, 21, 22)]
    anatomical = layouts.get("ntu-rgb+d-anatomical")
    assert set(ntu.edges) ^ set(anatomical.edges) == {(21, 22), (23, 24), (21, 7), (23, 11)}


def test_lists_become_hashable_and_the_layout_is_frozen():
    layout = SkeletonLayout.from_dict(ARM)
    assert layout.parts == (JointGroup("upper", (0, 1)), JointGroup("lower", (2, 3, 4)))
    assert layout.parents == (0, 0, 1, 2, 2)
    assert layout.index("thumb") == 3
    assert [group.joints for group in layout.groups("joint")] == [(0,), (1,), (2,), (3,), (4,)]
    assert layout.groups("body") == layout.bodies
    with pytest.raises(dataclasses.FrozenInstanceError):
        layout.center = 1


def test_a_cycle_is_allowed_and_parents_take_the_shortest_way():
    layout = SkeletonLayout.from_dict({**ARM, "edges": [*ARM["edges"], [4, 0]]})
    assert layout.parents == (0, 0, 1, 2, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "name: expected a non-empty string"),
        ({"joints": ["a", "a", "b", "c", "d"]}, "joints: expected distinct names"),
        ({"edges": [[1, 0], [2, 1], [3, 2]]}, "edges: expected a connected graph .* 'shoulder' does not reach"),
        ({"edges": [[1, 1]]}, "pairs of two different joints"),
        ({"edges": [[1, 0, 2]]}, "pairs of two different joints"),
        ({"edges": [[1, 9]]}, "edges: expected joints in 0..4 .* got 9"),
        ({"center": -1}, "center: expected joints in 0..4 .* got -1"),
        ({"swap": [1, 2, 0, 3, 4]}, "swap: expected the mirror image of each"),
        ({"swap": [0, 1, 2, 3]}, "swap: expected the mirror image of each"),
        ({"parts": {"upper": [0, 1]}}, r"parts: .* missing \[2, 3, 4\], twice \[\]"),
        ({"bodies": {"a": [0, 1, 2], "b": [2, 3, 4]}}, r"bodies: .* missing \[\], twice \[2\]"),
        ({"parts": {"a": [0, 1, 2, 3, 4], "b": []}}, "at least one joint in every group"),
        ({"bodies": [("a", [0, 1, 2]), ("a", [3, 4])]}, "bodies: expected distinct names of groups .* got .'a', 'a'"),
        ({"color": 1}, r"unknown \['color'\]"),
    ],
)
def test_what_is_not_a_skeleton_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SkeletonLayout.from_dict({**ARM, **change})


def test_wrong_types_and_names_are_refused():
    with pytest.raises(TypeError, match="center: expected joints as integers"):
        SkeletonLayout.from_dict({**ARM, "center": 0.5})
    with pytest.raises(TypeError, match=r"bodies: expected a mapping .* got the entry \[0, 1, 2\]"):
        SkeletonLayout.from_dict({**ARM, "bodies": [[0, 1, 2], [3, 4]]})
    with pytest.raises(ValueError, match=r"missing \['swap'\]"):
        SkeletonLayout.from_dict({k: v for k, v in ARM.items() if k != "swap"})
    layout = SkeletonLayout.from_dict(ARM)
    with pytest.raises(ValueError, match="has no joint 'nose'; it has shoulder, elbow"):
        layout.index("nose")
    with pytest.raises(ValueError, match="scale: expected one of 'joint', 'part', 'body', got 'limb'"):
        layout.groups("limb")


@given(st.integers(2, 12), st.data())
def test_any_tree_round_trips(count, data):
    edges = [[joint, data.draw(st.integers(0, joint - 1))] for joint in range(1, count)]
    cut = data.draw(st.integers(1, count - 1))
    layout = SkeletonLayout(
        name="tree",
        joints=[f"j{i}" for i in range(count)],
        edges=edges,
        center=0,
        swap=range(count),
        parts={"a": range(cut), "b": range(cut, count)},
        bodies={"all": range(count)},
    )
    assert [list(pair) for pair in enumerate(layout.parents)][1:] == edges
    assert SkeletonLayout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


def test_numpys_integers_are_joints():
    values = {**ARM, "edges": np.array(ARM["edges"]), "center": np.int64(ARM["center"]), "swap": np.array(ARM["swap"])}
    values["bodies"] = {name: np.array(joints) for name, joints in ARM["bodies"].items()}
    layout = SkeletonLayout.from_dict(values)
    assert layout == SkeletonLayout.from_dict(ARM)
    assert json.dumps(layout.to_dict()) == json.dumps(SkeletonLayout.from_dict(ARM).to_dict())
