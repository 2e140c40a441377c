"""Skeletons of pose estimators for images. Joints have the order of the tools; edges are ``(child, parent)``."""

from __future__ import annotations

from skelblocks.layouts.describe_layout import BODIES, PARTS, describe_layout, mirror, named
from skelblocks.layouts.skeleton_layout import SkeletonLayout

_OPENPOSE_JOINTS = (
    *("nose", "neck"),
    *("shoulder_right", "elbow_right", "wrist_right", "shoulder_left", "elbow_left", "wrist_left"),
    *("hip_right", "knee_right", "ankle_right", "hip_left", "knee_left", "ankle_left"),
    *("eye_right", "eye_left", "ear_right", "ear_left"),
)
OPENPOSE = SkeletonLayout(
    name="openpose-18",
    joints=_OPENPOSE_JOINTS,
    edges=(
        *((4, 3), (3, 2), (7, 6), (6, 5), (13, 12), (12, 11), (10, 9), (9, 8)),
        *((11, 5), (8, 2), (5, 1), (2, 1), (0, 1), (15, 0), (14, 0), (17, 15), (16, 14)),
    ),
    center=1,
    swap=mirror(_OPENPOSE_JOINTS),
    parts=named(PARTS, (1,), (0, 14, 15, 16, 17), (5, 6), (7,), (2, 3), (4,), (11, 12), (13,), (8, 9), (10,)),
    bodies=named(BODIES, (5, 6, 7), (2, 3, 4), (11, 12, 13), (8, 9, 10), (0, 1, 14, 15, 16, 17)),
)

_COCO_JOINTS = (
    *("nose", "eye_left", "eye_right", "ear_left", "ear_right"),
    *("shoulder_left", "shoulder_right", "elbow_left", "elbow_right", "wrist_left", "wrist_right"),
    *("hip_left", "hip_right", "knee_left", "knee_right", "ankle_left", "ankle_right"),
)
COCO = SkeletonLayout(
    name="coco-17",
    joints=_COCO_JOINTS,
    edges=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6), (9, 7), (7, 5), (10, 8), (8, 6)),
        *((5, 0), (6, 0), (1, 0), (3, 1), (2, 0), (4, 2)),
    ),
    center=0,
    swap=mirror(_COCO_JOINTS),
    # Without joints of the spine: nine parts, with the head as the torso.
    parts=named(PARTS[1:], (0, 1, 2, 3, 4), (5, 7), (9,), (6, 8), (10,), (11, 13), (15,), (12, 14), (16,)),
    bodies=named(BODIES, (5, 7, 9), (6, 8, 10), (11, 13, 15), (12, 14, 16), (0, 1, 2, 3, 4)),
)

_FACE = {"eye": "nose", "ear": "eye"}
_LIMBS = {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee"}

# OpenPose's BODY_25, its default model.
BODY_25 = describe_layout(
    "body-25",
    joints=(
        *("nose", "neck", "shoulder_right", "elbow_right", "wrist_right", "shoulder_left", "elbow_left", "wrist_left"),
        *("mid_hip", "hip_right", "knee_right", "ankle_right", "hip_left", "knee_left", "ankle_left"),
        *("eye_right", "eye_left", "ear_right", "ear_left"),
        *("big_toe_left", "small_toe_left", "heel_left", "big_toe_right", "small_toe_right", "heel_right"),
    ),
    bones={
        "mid_hip": "neck",
        "nose": "neck",
        "shoulder": "neck",
        "hip": "mid_hip",
        **_FACE,
        **_LIMBS,
        "heel": "ankle",
        "big_toe": "ankle",
        "small_toe": "big_toe",
    },
    center="neck",
    groups={
        "spine": ("neck", "mid_hip"),
        "head": ("nose", "eye", "ear"),
        "arm": ("shoulder", "elbow"),
        "hand": ("wrist",),
        "leg": ("hip", "knee"),
        "foot": ("ankle", "big_toe", "small_toe", "heel"),
    },
)

# AlphaPose's Halpe-26: COCO's joints, then the middle of the body and the feet. Its head is the top of the head.
HALPE = describe_layout(
    "halpe-26",
    joints=(
        *_COCO_JOINTS,
        *("head_top", "neck", "mid_hip"),
        *("big_toe_left", "big_toe_right", "small_toe_left", "small_toe_right", "heel_left", "heel_right"),
    ),
    bones={
        "mid_hip": "neck",
        "nose": "neck",
        "head_top": "nose",
        "shoulder": "neck",
        "hip": "mid_hip",
        **_FACE,
        **_LIMBS,
        "heel": "ankle",
        "big_toe": "heel",
        "small_toe": "heel",
    },
    center="neck",
    groups={
        "spine": ("neck", "mid_hip"),
        "head": ("nose", "eye", "ear", "head_top"),
        "arm": ("shoulder", "elbow"),
        "hand": ("wrist",),
        "leg": ("hip", "knee"),
        "foot": ("ankle", "big_toe", "small_toe", "heel"),
    },
)

# MediaPipe Pose (BlazePose). Without joints of the spine: nine parts, with the head as the torso, as in coco-17.
MEDIAPIPE = describe_layout(
    "mediapipe-33",
    joints=(
        *("nose", "eye_inner_left", "eye_left", "eye_outer_left", "eye_inner_right", "eye_right", "eye_outer_right"),
        *("ear_left", "ear_right", "mouth_left", "mouth_right", "shoulder_left", "shoulder_right"),
        *("elbow_left", "elbow_right", "wrist_left", "wrist_right", "pinky_left", "pinky_right"),
        *("index_left", "index_right", "thumb_left", "thumb_right", "hip_left", "hip_right", "knee_left", "knee_right"),
        *("ankle_left", "ankle_right", "heel_left", "heel_right", "foot_index_left", "foot_index_right"),
    ),
    bones={
        "eye_inner": "nose",
        "eye": "eye_inner",
        "eye_outer": "eye",
        "ear": "eye_outer",
        "mouth": "nose",
        "shoulder": "nose",
        "hip": "shoulder",
        **_LIMBS,
        "pinky": "wrist",
        "index": "wrist",
        "thumb": "wrist",
        "heel": "ankle",
        "foot_index": "ankle",
    },
    center="nose",
    groups={
        "head": ("nose", "eye_inner", "eye", "eye_outer", "ear", "mouth"),
        "arm": ("shoulder", "elbow"),
        "hand": ("wrist", "pinky", "index", "thumb"),
        "leg": ("hip", "knee"),
        "foot": ("ankle", "heel", "foot_index"),
    },
)

# The 15 joints of JHMDB's puppet.
JHMDB = describe_layout(
    "jhmdb-15",
    joints=(
        *("neck", "belly", "face", "shoulder_right", "shoulder_left", "hip_right", "hip_left"),
        *("elbow_right", "elbow_left", "knee_right", "knee_left"),
        *("wrist_right", "wrist_left", "ankle_right", "ankle_left"),
    ),
    bones={"belly": "neck", "face": "neck", "shoulder": "neck", "hip": "belly", **_LIMBS},
    center="neck",
    groups={
        "spine": ("neck", "belly"),
        "head": ("face",),
        "arm": ("shoulder", "elbow"),
        "hand": ("wrist",),
        "leg": ("hip", "knee"),
        "foot": ("ankle",),
    },
)

_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_HAND_JOINTS = (
    "wrist",
    *("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *(f"{finger}_{joint}" for finger in _FINGERS[1:] for joint in ("mcp", "pip", "dip", "tip")),
)
# One hand, as numbered by OpenPose and MediaPipe. The mirror image is the other hand, so each joint is its own mirror.
HAND = SkeletonLayout(
    name="hand-21",
    joints=_HAND_JOINTS,
    edges=tuple((joint, 0 if joint % 4 == 1 else joint - 1) for joint in range(1, 21)),
    center=0,
    swap=tuple(range(21)),
    parts=named(
        ("wrist", *(f"{finger}{end}" for finger in _FINGERS for end in ("", "_tip"))),
        *((0,), *(range(first, first + 2) for first in range(1, 21, 2))),
    ),
    bodies=named(("wrist", *_FINGERS), *((0,), *(range(first, first + 4) for first in range(1, 21, 4)))),
)
