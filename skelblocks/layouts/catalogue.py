"""The layouts that come with the library.

Joint orders are the data sets' own, counted from 0; edges are ``(child, parent)``, towards the centre. Parts are the
same ten in the same order wherever the joints allow it, bodies the same five: the order of MsMCLR's released code, so
that the differences between neighbouring parts mean the same on every skeleton. For layouts other than NTU RGB+D no
paper gives partitions: they are ours, along the same limbs.
"""

from __future__ import annotations

from skelblocks.layouts.skeleton_layout import JointGroup, SkeletonLayout

_PARTS = (
    "spine",
    "head",
    "left_arm",
    "left_hand",
    "right_arm",
    "right_hand",
    "left_leg",
    "left_foot",
    "right_leg",
    "right_foot",
)
_BODIES = ("left_arm", "right_arm", "left_leg", "right_leg", "torso")


def _named(names: tuple[str, ...], *groups: tuple[int, ...]) -> tuple[JointGroup, ...]:
    return tuple(JointGroup(name, joints) for name, joints in zip(names, groups, strict=True))


def _mirror(joints: tuple[str, ...]) -> tuple[int, ...]:
    """For joints whose names end in ``_left`` or ``_right``, the place of the other side's."""
    other = {"_left": "_right", "_right": "_left"}
    swapped = [name[: -len(s)] + other[s] if (s := "_" + name.rpartition("_")[2]) in other else name for name in joints]
    return tuple(joints.index(name) for name in swapped)


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
        swap=_mirror(_NTU_JOINTS),
        parts=_named(
            _PARTS,
            *((0, 1, 20), (2, 3)),
            *((4, 5, 6), (7, 21, 22), (8, 9, 10), (11, 23, 24)),
            *((12, 13), (14, 15), (16, 17), (18, 19)),
        ),
        bodies=_named(
            _BODIES,
            *((4, 5, 6, 7, 21, 22), (8, 9, 10, 11, 23, 24)),
            *((12, 13, 14, 15), (16, 17, 18, 19), (0, 1, 2, 3, 20)),
        ),
    )


# The methods' released code hangs each hand tip on the thumb and the thumb on the hand; pyskl and mmaction2 hang both
# on the hand. 18 entries of the adjacency differ.
_NTU = _ntu("ntu-rgb+d", ((21, 22), (22, 7), (23, 24), (24, 11)))
_NTU_ANATOMICAL = _ntu("ntu-rgb+d-anatomical", ((21, 7), (22, 7), (23, 11), (24, 11)))

_UCLA_JOINTS = (
    *("hip_center", "spine", "shoulder_center", "head"),
    *("shoulder_left", "elbow_left", "wrist_left", "hand_left"),
    *("shoulder_right", "elbow_right", "wrist_right", "hand_right"),
    *("hip_left", "knee_left", "ankle_left", "foot_left"),
    *("hip_right", "knee_right", "ankle_right", "foot_right"),
)
_UCLA = SkeletonLayout(
    name="nw-ucla",
    joints=_UCLA_JOINTS,
    edges=(
        *((0, 1), (1, 2), (3, 2), (4, 2), (5, 4), (6, 5), (7, 6), (8, 2), (9, 8), (10, 9), (11, 10)),
        *((12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18)),
    ),
    center=2,
    swap=_mirror(_UCLA_JOINTS),
    parts=_named(
        _PARTS,
        *((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11)),
        *((12, 13), (14, 15), (16, 17), (18, 19)),
    ),
    bodies=_named(_BODIES, (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15), (16, 17, 18, 19), (0, 1, 2, 3)),
)

# The same sensor as NW-UCLA, the same joints, another order.
_UTD_JOINTS = (
    *("head", "shoulder_center", "spine", "hip_center"),
    *_UCLA_JOINTS[4:],
)
_UTD = SkeletonLayout(
    name="utd-mhad",
    joints=_UTD_JOINTS,
    edges=(
        *((0, 1), (2, 1), (3, 2), (4, 1), (5, 4), (6, 5), (7, 6), (8, 1), (9, 8), (10, 9), (11, 10)),
        *((12, 3), (13, 12), (14, 13), (15, 14), (16, 3), (17, 16), (18, 17), (19, 18)),
    ),
    center=1,
    swap=_mirror(_UTD_JOINTS),
    parts=_named(
        _PARTS,
        *((2, 3), (0, 1), (4, 5), (6, 7), (8, 9), (10, 11)),
        *((12, 13), (14, 15), (16, 17), (18, 19)),
    ),
    bodies=_named(_BODIES, (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15), (16, 17, 18, 19), (0, 1, 2, 3)),
)

_SBU_JOINTS = (
    *("head", "neck", "torso"),
    *("shoulder_left", "elbow_left", "hand_left", "shoulder_right", "elbow_right", "hand_right"),
    *("hip_left", "knee_left", "foot_left", "hip_right", "knee_right", "foot_right"),
)
_SBU = SkeletonLayout(
    name="sbu",
    joints=_SBU_JOINTS,
    edges=(
        *((0, 1), (2, 1), (3, 1), (4, 3), (5, 4), (6, 1), (7, 6), (8, 7)),
        *((9, 2), (10, 9), (11, 10), (12, 2), (13, 12), (14, 13)),
    ),
    center=1,
    swap=_mirror(_SBU_JOINTS),
    parts=_named(_PARTS, (1, 2), (0,), (3, 4), (5,), (6, 7), (8,), (9, 10), (11,), (12, 13), (14,)),
    bodies=_named(_BODIES, (3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 13, 14), (0, 1, 2)),
)

_HDM05_JOINTS = (
    "pelvis",
    *("hip_root_left", "hip_left", "knee_left", "ankle_left", "toes_left"),
    *("hip_root_right", "hip_right", "knee_right", "ankle_right", "toes_right"),
    *("lower_back", "upper_back", "thorax", "lower_neck", "upper_neck", "head"),
    *("clavicle_left", "shoulder_left", "elbow_left", "wrist_left", "hand_left", "fingers_left", "thumb_left"),
    *("clavicle_right", "shoulder_right", "elbow_right", "wrist_right", "hand_right", "fingers_right", "thumb_right"),
)
_HDM05 = SkeletonLayout(
    name="hdm05",
    joints=_HDM05_JOINTS,
    edges=(
        *((1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 0), (7, 6), (8, 7), (9, 8), (10, 9)),
        *((0, 11), (11, 12), (12, 13), (14, 13), (15, 14), (16, 15)),
        *((17, 13), (18, 17), (19, 18), (20, 19), (21, 20), (22, 21), (23, 20)),
        *((24, 13), (25, 24), (26, 25), (27, 26), (28, 27), (29, 28), (30, 27)),
    ),
    center=13,
    swap=_mirror(_HDM05_JOINTS),
    parts=_named(
        _PARTS,
        *((0, 11, 12, 13), (14, 15, 16)),
        *((17, 18, 19), (20, 21, 22, 23), (24, 25, 26), (27, 28, 29, 30)),
        *((1, 2, 3), (4, 5), (6, 7, 8), (9, 10)),
    ),
    bodies=_named(
        _BODIES,
        *((17, 18, 19, 20, 21, 22, 23), (24, 25, 26, 27, 28, 29, 30)),
        *((1, 2, 3, 4, 5), (6, 7, 8, 9, 10), (0, 11, 12, 13, 14, 15, 16)),
    ),
)

_OPENPOSE_JOINTS = (
    *("nose", "neck"),
    *("shoulder_right", "elbow_right", "wrist_right", "shoulder_left", "elbow_left", "wrist_left"),
    *("hip_right", "knee_right", "ankle_right", "hip_left", "knee_left", "ankle_left"),
    *("eye_right", "eye_left", "ear_right", "ear_left"),
)
_OPENPOSE = SkeletonLayout(
    name="openpose-18",
    joints=_OPENPOSE_JOINTS,
    edges=(
        *((4, 3), (3, 2), (7, 6), (6, 5), (13, 12), (12, 11), (10, 9), (9, 8)),
        *((11, 5), (8, 2), (5, 1), (2, 1), (0, 1), (15, 0), (14, 0), (17, 15), (16, 14)),
    ),
    center=1,
    swap=_mirror(_OPENPOSE_JOINTS),
    parts=_named(_PARTS, (1,), (0, 14, 15, 16, 17), (5, 6), (7,), (2, 3), (4,), (11, 12), (13,), (8, 9), (10,)),
    bodies=_named(_BODIES, (5, 6, 7), (2, 3, 4), (11, 12, 13), (8, 9, 10), (0, 1, 14, 15, 16, 17)),
)

_COCO_JOINTS = (
    *("nose", "eye_left", "eye_right", "ear_left", "ear_right"),
    *("shoulder_left", "shoulder_right", "elbow_left", "elbow_right", "wrist_left", "wrist_right"),
    *("hip_left", "hip_right", "knee_left", "knee_right", "ankle_left", "ankle_right"),
)
_COCO = SkeletonLayout(
    name="coco-17",
    joints=_COCO_JOINTS,
    edges=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6), (9, 7), (7, 5), (10, 8), (8, 6)),
        *((5, 0), (6, 0), (1, 0), (3, 1), (2, 0), (4, 2)),
    ),
    center=0,
    swap=_mirror(_COCO_JOINTS),
    # No joint of the spine: nine parts, and the head stands for the torso.
    parts=_named(_PARTS[1:], (0, 1, 2, 3, 4), (5, 7), (9,), (6, 8), (10,), (11, 13), (15,), (12, 14), (16,)),
    bodies=_named(_BODIES, (5, 7, 9), (6, 8, 10), (11, 13, 15), (12, 14, 16), (0, 1, 2, 3, 4)),
)

_H36M_JOINTS = (
    "pelvis",
    *("hip_right", "knee_right", "ankle_right", "hip_left", "knee_left", "ankle_left"),
    *("spine", "thorax", "neck", "head"),
    *("shoulder_left", "elbow_left", "wrist_left", "shoulder_right", "elbow_right", "wrist_right"),
)
_H36M = SkeletonLayout(
    name="h36m-17",
    joints=_H36M_JOINTS,
    edges=(
        *((1, 0), (2, 1), (3, 2), (4, 0), (5, 4), (6, 5), (0, 7), (7, 8), (9, 8), (10, 9)),
        *((11, 8), (12, 11), (13, 12), (14, 8), (15, 14), (16, 15)),
    ),
    center=8,
    swap=_mirror(_H36M_JOINTS),
    parts=_named(_PARTS, (0, 7, 8), (9, 10), (11, 12), (13,), (14, 15), (16,), (4, 5), (6,), (1, 2), (3,)),
    bodies=_named(_BODIES, (11, 12, 13), (14, 15, 16), (4, 5, 6), (1, 2, 3), (0, 7, 8, 9, 10)),
)

CATALOGUE = (_NTU, _NTU_ANATOMICAL, _UCLA, _UTD, _SBU, _HDM05, _OPENPOSE, _COCO, _H36M)
