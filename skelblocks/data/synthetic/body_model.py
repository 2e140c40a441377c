"""A human body as a tree of bones, and where its joints go when it bends them.

The body's own axes are x to its right, y up, z to its back, which are the axes of a Kinect that it faces. Lengths are
in meters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from skelblocks.layouts import SkeletonLayout, from_hierarchy
from skelblocks.layouts.common_joints import COMMON_PARENTS, common_name, common_names


class Bone(NamedTuple):
    """A joint, the one it hangs on, where it rests from there, and which of a subject's proportions scales the bone."""

    joint: str
    parent: str
    offset: tuple[float, float, float]
    segment: str


SEGMENTS = ("torso", "head", "shoulders", "upper_arm", "forearm", "hand", "hips", "thigh", "shank", "foot")
_MIDLINE = (
    Bone("lower_back", "pelvis", (0.0, 0.09, 0.0), "torso"),
    Bone("spine", "lower_back", (0.0, 0.12, 0.01), "torso"),
    Bone("upper_back", "spine", (0.0, 0.14, 0.01), "torso"),
    Bone("thorax", "upper_back", (0.0, 0.12, -0.01), "torso"),
    Bone("lower_neck", "thorax", (0.0, 0.04, 0.0), "head"),
    Bone("neck", "lower_neck", (0.0, 0.03, 0.0), "head"),
    Bone("upper_neck", "neck", (0.0, 0.05, 0.0), "head"),
    Bone("head", "upper_neck", (0.0, 0.09, -0.01), "head"),
    Bone("head_top", "head", (0.0, 0.12, 0.0), "head"),
    Bone("nose", "head", (0.0, -0.02, -0.11), "head"),
)
_RIGHT = (
    Bone("eye", "head", (0.03, 0.02, -0.09), "head"),
    Bone("ear", "head", (0.08, 0.0, 0.0), "head"),
    Bone("clavicle", "thorax", (0.03, 0.0, -0.01), "shoulders"),
    Bone("shoulder", "clavicle", (0.15, -0.03, 0.01), "shoulders"),
    Bone("elbow", "shoulder", (0.0, -0.28, 0.0), "upper_arm"),
    Bone("wrist", "elbow", (0.0, -0.25, 0.0), "forearm"),
    Bone("hand", "wrist", (0.0, -0.08, 0.0), "hand"),
    Bone("fingers", "hand", (0.0, -0.08, 0.0), "hand"),
    Bone("thumb", "hand", (-0.02, -0.03, -0.05), "hand"),
    Bone("hip_root", "pelvis", (0.05, -0.02, 0.0), "hips"),
    Bone("hip", "hip_root", (0.05, -0.04, 0.0), "hips"),
    Bone("knee", "hip", (0.0, -0.42, 0.0), "thigh"),
    Bone("ankle", "knee", (0.0, -0.41, 0.0), "shank"),
    Bone("foot", "ankle", (0.0, -0.06, -0.10), "foot"),
    Bone("toes", "foot", (0.0, -0.01, -0.08), "foot"),
)


def _mirrored(bone: Bone, side: str, sign: float) -> Bone:
    paired = {other.joint for other in _RIGHT}
    parent = f"{bone.parent}_{side}" if bone.parent in paired else bone.parent
    return Bone(f"{bone.joint}_{side}", parent, (sign * bone.offset[0], *bone.offset[1:]), bone.segment)


BONES = (
    *_MIDLINE,
    *(_mirrored(bone, side, sign) for side, sign in (("right", 1.0), ("left", -1.0)) for bone in _RIGHT),
)
JOINTS = ("pelvis", *(bone.joint for bone in BONES))
_BENDING = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
BENDING_JOINTS = (
    *("pelvis", "spine", "upper_back", "neck"),
    *(f"{joint}_{side}" for side in ("right", "left") for joint in _BENDING),
)
# What the body does not have, and the joint that stands for it.
_STANDS_FOR = {
    "heel": "ankle",
    "small_toe": "toes",
    "eye_inner": "eye",
    "eye_outer": "eye",
    "mouth": "nose",
    "index": "fingers",
    "pinky": "fingers",
    "fingertips": "fingers",
}


def _place(joint: str) -> int | None:
    name = common_name(joint)
    if name is None or name in JOINTS:
        return None if name is None else JOINTS.index(name)
    plain, _, side = name.rpartition("_")
    other = _STANDS_FOR[plain]
    return JOINTS.index(other if other in JOINTS else f"{other}_{side}")


def body_joints(layout: SkeletonLayout) -> tuple[int, ...]:
    """For each joint of a layout its place in :data:`JOINTS`, by its name.

    Case, spaces and hyphens do not matter, and ``left_hand`` means the same as ``hand_left``. Names of bones, as in
    motion capture files (``LeftUpLeg``), and sides of one letter (``l_hip``) are recognized if the hips, knees,
    shoulders and elbows of both sides have such names.

    Raises:
        ValueError: The layout has joints whose names the body does not know.

    Example:
        >>> from skelblocks import layouts
        >>> [JOINTS[place] for place in body_joints(layouts.get("ntu-rgb+d"))][:4]
        ['pelvis', 'spine', 'neck', 'head']
    """
    places = [_place(joint) for joint in layout.joints]
    if None in places:
        places = [_place(name) for name in common_names(layout)]
    unknown = [joint for joint, place in zip(layout.joints, places, strict=True) if place is None]
    if unknown:
        raise ValueError(
            f"layout: expected joints that the body has; {layout.name!r} names {', '.join(unknown)}; rename them among "
            f"{', '.join(sorted(COMMON_PARENTS))}"
        )
    return tuple(place for place in places if place is not None)


@cache
def body_layout() -> SkeletonLayout:
    """The skeleton of the body itself, with every joint that it has.

    Example:
        >>> body_layout().num_joints == len(JOINTS)
        True
    """
    parents = {bone.joint: bone.parent for bone in BONES}
    places = [JOINTS.index(parents[joint]) if joint in parents else -1 for joint in JOINTS]
    return from_hierarchy(places, JOINTS, name="synthetic-body")


def forward_kinematics(rotations: Mapping[str, Tensor], *, scales: Tensor) -> Tensor:
    """Where the joints are when each joint is turned from its rest by an axis times an angle.

    Written out in coordinates, without matrix products, so that a body's numbers do not depend on how many there are.

    Args:
        rotations: ``(3, ...)`` in radians, for some of the joints; what hangs on a joint turns with it, in its axes.
            The right-hand rule holds: +x swings a hanging arm forward, +z the right arm up sideways.
        scales: ``(len(SEGMENTS), ...)``, a factor for the lengths of each segment; broadcast against the rotations.

    Returns:
        ``(len(JOINTS), 3, ...)`` from the pelvis, in the body's axes.

    Example:
        >>> raised = forward_kinematics({"shoulder_right": torch.tensor([torch.pi / 2, 0, 0])}, scales=torch.ones(10))
        >>> shoulder, wrist = (raised[JOINTS.index(name)] for name in ("shoulder_right", "wrist_right"))
        >>> [round(number) for number in (100 * (wrist - shoulder)).tolist()]  # centimeters: straight ahead
        [0, 0, -53]
    """
    turns = {joint: _rotation(vector) for joint, vector in rotations.items()}
    like = next(iter(rotations.values()))
    zero = torch.zeros_like(like + scales[0])
    position: dict[str, Tensor] = {"pelvis": zero}
    frame: dict[str, Sequence[Sequence[Tensor]] | None] = {"pelvis": turns.get("pelvis")}
    for joint, parent, offset, segment in BONES:
        scale = scales[SEGMENTS.index(segment)]
        outer, turn = frame[parent], turns.get(joint)
        if outer is None:
            moved = [zero[0] + scale * number for number in offset]
        else:
            moved = [scale * (row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2]) for row in outer]
        position[joint] = position[parent] + torch.stack(moved)
        frame[joint] = turn if outer is None else outer if turn is None else _product(outer, turn)
    return torch.stack([position[joint] for joint in JOINTS])


def _rotation(vector: Tensor) -> list[list[Tensor]]:
    """Rodrigues' formula, entry by entry."""
    angle = (vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]).sqrt()
    x, y, z = (part / angle.clamp(min=1e-12) for part in vector)
    c, s = angle.cos(), angle.sin()
    d = 1 - c
    return [
        [c + d * x * x, d * x * y - s * z, d * x * z + s * y],
        [d * x * y + s * z, c + d * y * y, d * y * z - s * x],
        [d * x * z - s * y, d * y * z + s * x, c + d * z * z],
    ]


def _product(a: Sequence[Sequence[Tensor]], b: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
    return [[row[0] * b[0][j] + row[1] * b[1][j] + row[2] * b[2][j] for j in range(3)] for row in a]
