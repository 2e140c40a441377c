"""Skeletons that depth cameras track. Joints have the order of the data sets; edges are ``(child, parent)``."""

from __future__ import annotations

from skelblocks.layouts.describe_layout import BODIES, PARTS, describe_layout, mirror, named
from skelblocks.layouts.skeleton_layout import SkeletonLayout

_NTU_JOINTS = (
    *("spine_base", "spine_middle", "neck", "head"),
    *("shoulder_left", "elbow_left", "wrist_left", "hand_left"),
    *("shoulder_right", "elbow_right", "wrist_right", "hand_right"),
    *("hip_left", "knee_left", "ankle_left", "foot_left"),
    *("hip_right", "knee_right", "ankle_right", "foot_right"),
    *("spine_shoulder", "hand_tip_left", "thumb_left", "hand_tip_right", "thumb_right"),
)
_NTU_BONES = (
    *((0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10)),
    *((12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18)),
)


def _ntu(name: str, hands: tuple[tuple[int, int], ...]) -> SkeletonLayout:
    return SkeletonLayout(
        name=name,
        joints=_NTU_JOINTS,
        edges=_NTU_BONES + hands,
        center=20,
        swap=mirror(_NTU_JOINTS),
        parts=named(
            PARTS,
            *((0, 1, 20), (2, 3)),
            *((4, 5, 6), (7, 21, 22), (8, 9, 10), (11, 23, 24)),
            *((12, 13), (14, 15), (16, 17), (18, 19)),
        ),
        bodies=named(
            BODIES,
            *((4, 5, 6, 7, 21, 22), (8, 9, 10, 11, 23, 24)),
            *((12, 13, 14, 15), (16, 17, 18, 19), (0, 1, 2, 3, 20)),
        ),
    )


# In the methods' released code, the parent of each hand tip is the thumb, and the thumb's parent is the hand. In pyskl
# and mmaction2, the parent of both is the hand. 18 entries of the adjacency differ.
NTU = _ntu("ntu-rgb+d", ((21, 22), (22, 7), (23, 24), (24, 11)))
NTU_ANATOMICAL = _ntu("ntu-rgb+d-anatomical", ((21, 7), (22, 7), (23, 11), (24, 11)))

_UCLA_JOINTS = (
    *("hip_center", "spine", "shoulder_center", "head"),
    *("shoulder_left", "elbow_left", "wrist_left", "hand_left"),
    *("shoulder_right", "elbow_right", "wrist_right", "hand_right"),
    *("hip_left", "knee_left", "ankle_left", "foot_left"),
    *("hip_right", "knee_right", "ankle_right", "foot_right"),
)
UCLA = SkeletonLayout(
    name="nw-ucla",
    joints=_UCLA_JOINTS,
    edges=(
        *((0, 1), (1, 2), (3, 2), (4, 2), (5, 4), (6, 5), (7, 6), (8, 2), (9, 8), (10, 9), (11, 10)),
        *((12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18)),
    ),
    center=2,
    swap=mirror(_UCLA_JOINTS),
    parts=named(
        PARTS,
        *((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)),
        *((12, 13), (14, 15), (16, 17), (18, 19)),
    ),
    bodies=named(BODIES, (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15), (16, 17, 18, 19), (0, 1, 2, 3)),
)

# The same sensor and joints as NW-UCLA, in another order.
_UTD_JOINTS = (
    *("head", "shoulder_center", "spine", "hip_center"),
    *_UCLA_JOINTS[4:],
)
UTD = SkeletonLayout(
    name="utd-mhad",
    joints=_UTD_JOINTS,
    edges=(
        *((0, 1), (2, 1), (3, 2), (4, 1), (5, 4), (6, 5), (7, 6), (8, 1), (9, 8), (10, 9), (11, 10)),
        *((12, 3), (13, 12), (14, 13), (15, 14), (16, 3), (17, 16), (18, 17), (19, 18)),
    ),
    center=1,
    swap=mirror(_UTD_JOINTS),
    parts=named(
        PARTS,
        *((2, 3), (0, 1), (4, 5), (6, 7), (8, 9), (10, 11)),
        *((12, 13), (14, 15), (16, 17), (18, 19)),
    ),
    bodies=named(BODIES, (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15), (16, 17, 18, 19), (0, 1, 2, 3)),
)

_SBU_JOINTS = (
    *("head", "neck", "torso"),
    *("shoulder_left", "elbow_left", "hand_left", "shoulder_right", "elbow_right", "hand_right"),
    *("hip_left", "knee_left", "foot_left", "hip_right", "knee_right", "foot_right"),
)
SBU = SkeletonLayout(
    name="sbu",
    joints=_SBU_JOINTS,
    edges=(
        *((0, 1), (2, 1), (3, 1), (4, 3), (5, 4), (6, 1), (7, 6), (8, 7)),
        *((9, 2), (10, 9), (11, 10), (12, 2), (13, 12), (14, 13)),
    ),
    center=1,
    swap=mirror(_SBU_JOINTS),
    parts=named(PARTS, (1, 2), (0,), (3, 4), (5,), (6, 7), (8,), (9, 10), (11,), (12, 13), (14,)),
    bodies=named(BODIES, (3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 13, 14), (0, 1, 2)),
)

# MSR-Action3D: the same joints again, level by level. The data set numbers joints without names. The bones are common
# to the published code for this data set, and the side that comes first is taken as the person's left.
_MSR_JOINTS = (
    *("shoulder_left", "shoulder_right", "shoulder_center", "spine", "hip_left", "hip_right", "hip_center"),
    *("elbow_left", "elbow_right", "wrist_left", "wrist_right", "hand_left", "hand_right"),
    *("knee_left", "knee_right", "ankle_left", "ankle_right", "foot_left", "foot_right", "head"),
)
MSR = describe_layout(
    "msr-action3d",
    joints=_MSR_JOINTS,
    bones={
        "hip_center": "spine",
        "spine": "shoulder_center",
        "head": "shoulder_center",
        "shoulder": "shoulder_center",
        "elbow": "shoulder",
        "wrist": "elbow",
        "hand": "wrist",
        "hip": "hip_center",
        "knee": "hip",
        "ankle": "knee",
        "foot": "ankle",
    },
    center="shoulder_center",
    groups={
        "spine": ("hip_center", "spine"),
        "head": ("shoulder_center", "head"),
        "arm": ("shoulder", "elbow"),
        "hand": ("wrist", "hand"),
        "leg": ("hip", "knee"),
        "foot": ("ankle", "foot"),
    },
)

# Microsoft's Azure Kinect body tracking, in the order of its k4abt_joint_id_t.
AZURE = describe_layout(
    "azure-kinect-32",
    joints=(
        *("pelvis", "spine_naval", "spine_chest", "neck"),
        *("clavicle_left", "shoulder_left", "elbow_left", "wrist_left", "hand_left", "hand_tip_left", "thumb_left"),
        *("clavicle_right", "shoulder_right", "elbow_right", "wrist_right"),
        *("hand_right", "hand_tip_right", "thumb_right"),
        *("hip_left", "knee_left", "ankle_left", "foot_left", "hip_right", "knee_right", "ankle_right", "foot_right"),
        *("head", "nose", "eye_left", "ear_left", "eye_right", "ear_right"),
    ),
    bones={
        "pelvis": "spine_naval",
        "spine_naval": "spine_chest",
        "neck": "spine_chest",
        "head": "neck",
        "nose": "head",
        "eye": "head",
        "ear": "head",
        "clavicle": "spine_chest",
        "shoulder": "clavicle",
        "elbow": "shoulder",
        "wrist": "elbow",
        "hand": "wrist",
        "hand_tip": "hand",
        "thumb": "wrist",
        "hip": "pelvis",
        "knee": "hip",
        "ankle": "knee",
        "foot": "ankle",
    },
    center="spine_chest",
    groups={
        "spine": ("pelvis", "spine_naval", "spine_chest"),
        "head": ("neck", "head", "nose", "eye", "ear"),
        "arm": ("clavicle", "shoulder", "elbow"),
        "hand": ("wrist", "hand", "hand_tip", "thumb"),
        "leg": ("hip", "knee"),
        "foot": ("ankle", "foot"),
    },
)
