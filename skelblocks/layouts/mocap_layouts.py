"""Skeletons of motion capture and body models. Joints are in the order of the data; edges are ``(child, parent)``."""

from __future__ import annotations

from skelblocks.layouts.describe_layout import BODIES, PARTS, describe_layout, mirror, named
from skelblocks.layouts.skeleton_layout import SkeletonLayout

# The joints are the root and the ends of the bones in HDM05's and CMU's ASF files: lfemur ends at the knee.
_HDM05_JOINTS = (
    "pelvis",
    *("hip_left", "knee_left", "ankle_left", "foot_left", "toes_left"),
    *("hip_right", "knee_right", "ankle_right", "foot_right", "toes_right"),
    *("lower_back", "upper_back", "thorax", "lower_neck", "upper_neck", "head"),
    *("shoulder_left", "elbow_left", "wrist_left", "hand_left", "fingers_left", "fingertips_left", "thumb_left"),
    *("shoulder_right", "elbow_right", "wrist_right", "hand_right", "fingers_right", "fingertips_right", "thumb_right"),
)
HDM05 = SkeletonLayout(
    name="hdm05",
    joints=_HDM05_JOINTS,
    edges=(
        *((1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 0), (7, 6), (8, 7), (9, 8), (10, 9)),
        *((0, 11), (11, 12), (12, 13), (14, 13), (15, 14), (16, 15)),
        *((17, 13), (18, 17), (19, 18), (20, 19), (21, 20), (22, 21), (23, 20)),
        *((24, 13), (25, 24), (26, 25), (27, 26), (28, 27), (29, 28), (30, 27)),
    ),
    center=13,
    swap=mirror(_HDM05_JOINTS),
    parts=named(
        PARTS,
        *((0, 11, 12, 13), (14, 15, 16)),
        *((17, 18, 19), (20, 21, 22, 23), (24, 25, 26), (27, 28, 29, 30)),
        *((1, 2, 3), (4, 5), (6, 7, 8), (9, 10)),
    ),
    bodies=named(
        BODIES,
        *((17, 18, 19, 20, 21, 22, 23), (24, 25, 26, 27, 28, 29, 30)),
        *((1, 2, 3, 4, 5), (6, 7, 8, 9, 10), (0, 11, 12, 13, 14, 15, 16)),
    ),
)

_H36M_JOINTS = (
    "pelvis",
    *("hip_right", "knee_right", "ankle_right", "hip_left", "knee_left", "ankle_left"),
    *("spine", "thorax", "neck", "head"),
    *("shoulder_left", "elbow_left", "wrist_left", "shoulder_right", "elbow_right", "wrist_right"),
)
H36M = SkeletonLayout(
    name="h36m-17",
    joints=_H36M_JOINTS,
    edges=(
        *((1, 0), (2, 1), (3, 2), (4, 0), (5, 4), (6, 5), (0, 7), (7, 8), (9, 8), (10, 9)),
        *((11, 8), (12, 11), (13, 12), (14, 8), (15, 14), (16, 15)),
    ),
    center=8,
    swap=mirror(_H36M_JOINTS),
    parts=named(PARTS, (0, 7, 8), (9, 10), (11, 12), (13,), (14, 15), (16,), (4, 5), (6,), (1, 2), (3,)),
    bodies=named(BODIES, (11, 12, 13), (14, 15, 16), (4, 5, 6), (1, 2, 3), (0, 7, 8, 9, 10)),
)

_SMPL_JOINTS = (
    *("pelvis", "hip_left", "hip_right", "spine1", "knee_left", "knee_right", "spine2", "ankle_left", "ankle_right"),
    *("spine3", "foot_left", "foot_right", "neck", "collar_left", "collar_right", "head"),
    *("shoulder_left", "shoulder_right", "elbow_left", "elbow_right", "wrist_left", "wrist_right"),
    *("hand_left", "hand_right"),
)


def _smpl(joints: tuple[str, ...]) -> SkeletonLayout:
    """The joints of the SMPL body model, in its kinematic tree; HumanML3D and others have the first 22."""
    hands = "hand_left" in joints
    return describe_layout(
        f"smpl-{len(joints)}",
        joints=joints,
        bones={
            "pelvis": "spine1",
            "spine1": "spine2",
            "spine2": "spine3",
            "neck": "spine3",
            "head": "neck",
            "collar": "spine3",
            "shoulder": "collar",
            "elbow": "shoulder",
            "wrist": "elbow",
            **({"hand": "wrist"} if hands else {}),
            "hip": "pelvis",
            "knee": "hip",
            "ankle": "knee",
            "foot": "ankle",
        },
        center="spine3",
        groups={
            "spine": ("pelvis", "spine1", "spine2", "spine3"),
            "head": ("neck", "head"),
            "arm": ("collar", "shoulder", "elbow"),
            "hand": ("wrist", "hand") if hands else ("wrist",),
            "leg": ("hip", "knee"),
            "foot": ("ankle", "foot"),
        },
    )


SMPL_24 = _smpl(_SMPL_JOINTS)
SMPL_22 = _smpl(_SMPL_JOINTS[:22])
