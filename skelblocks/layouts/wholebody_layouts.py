"""Skeletons with body, feet, face and hands, as in the COCO-WholeBody data set and models trained on it."""

from __future__ import annotations

from skelblocks.layouts.describe_layout import describe_layout
from skelblocks.layouts.keypoint_layouts import COCO, HAND
from skelblocks.layouts.skeleton_layout import SkeletonLayout

_FEET = tuple(f"{joint}_{side}" for side in ("left", "right") for joint in ("big_toe", "small_toe", "heel"))
# The 68 points of a face in their usual order, starting at the person's right ear. Points are counted from the outside
# on each side, so that a point and its mirror image have the same number.
_FACE = (
    *(f"jaw_{i}_right" for i in range(8)),
    "chin",
    *(f"jaw_{i}_left" for i in reversed(range(8))),
    *(f"brow_{i}_right" for i in range(5)),
    *(f"brow_{i}_left" for i in reversed(range(5))),
    *(f"nose_bridge_{i}" for i in range(4)),
    *("nostril_0_right", "nostril_1_right", "nostril_middle", "nostril_1_left", "nostril_0_left"),
    *(f"eyelid_{i}_right" for i in range(6)),
    *(f"eyelid_{i}_left" for i in (3, 2, 1, 0, 5, 4)),
    *("lip_outer_0_right", "lip_outer_1_right", "lip_outer_2_right", "lip_outer_top"),
    *("lip_outer_2_left", "lip_outer_1_left", "lip_outer_0_left", "lip_outer_3_left", "lip_outer_4_left"),
    *("lip_outer_bottom", "lip_outer_4_right", "lip_outer_3_right"),
    *("lip_inner_0_right", "lip_inner_1_right", "lip_inner_top", "lip_inner_1_left", "lip_inner_0_left"),
    *("lip_inner_2_left", "lip_inner_bottom", "lip_inner_2_right"),
)
_FINGERS = ("hand_root", *HAND.joints[1:])
_HANDS = tuple(f"{joint}_{side}" for side in ("left", "right") for joint in _FINGERS)

_BODY_BONES = {
    "eye": "nose",
    "ear": "eye",
    "shoulder": "nose",
    "elbow": "shoulder",
    "wrist": "elbow",
    "hip": "shoulder",
    "knee": "hip",
    "ankle": "knee",
    "heel": "ankle",
    "big_toe": "ankle",
    "small_toe": "ankle",
}
_FACE_BONES = {
    "nose_bridge_3": "nose",
    **{f"nose_bridge_{i}": f"nose_bridge_{i + 1}" for i in range(3)},
    "brow_4": "nose_bridge_0",
    **{f"brow_{i}": f"brow_{i + 1}" for i in range(4)},
    **{f"eyelid_{i}": "eye" for i in range(6)},
    "nostril_middle": "nose_bridge_3",
    "nostril_1": "nostril_middle",
    "nostril_0": "nostril_1",
    "lip_outer_top": "nostril_middle",
    "lip_outer_2": "lip_outer_top",
    "lip_outer_1": "lip_outer_2",
    "lip_outer_0": "lip_outer_1",
    "lip_inner_top": "lip_outer_top",
    "lip_inner_1": "lip_inner_top",
    "lip_inner_0": "lip_inner_1",
    "lip_inner_bottom": "lip_inner_top",
    "lip_inner_2": "lip_inner_bottom",
    "lip_outer_bottom": "lip_inner_bottom",
    "lip_outer_4": "lip_outer_bottom",
    "lip_outer_3": "lip_outer_4",
    "chin": "lip_outer_bottom",
    "jaw_7": "chin",
    **{f"jaw_{i}": f"jaw_{i + 1}" for i in range(7)},
}
_HAND_BONES = {"hand_root": "wrist"} | {_FINGERS[child]: _FINGERS[parent] for child, parent in HAND.edges}


def _pairs(joints: tuple[str, ...]) -> tuple[str, ...]:
    """Names without sides, each once."""
    return tuple(dict.fromkeys(joint.removesuffix("_left").removesuffix("_right") for joint in joints))


def _wholebody(name: str, *, face_and_hands: bool) -> SkeletonLayout:
    return describe_layout(
        name,
        joints=COCO.joints + _FEET + (_FACE + _HANDS if face_and_hands else ()),
        bones=_BODY_BONES | (_FACE_BONES | _HAND_BONES if face_and_hands else {}),
        center="nose",
        groups={  # without joints of the spine, as in coco-17
            "head": ("nose", "eye", "ear", *(_pairs(_FACE) if face_and_hands else ())),
            "arm": ("shoulder", "elbow"),
            "hand": ("wrist", *(_FINGERS if face_and_hands else ())),
            "leg": ("hip", "knee"),
            "foot": ("ankle", "big_toe", "small_toe", "heel"),
        },
    )


WHOLEBODY = _wholebody("coco-wholebody-133", face_and_hands=True)
WHOLEBODY_BODY = _wholebody("coco-wholebody-23", face_and_hands=False)
