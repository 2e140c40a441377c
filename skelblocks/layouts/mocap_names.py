"""Common names for the joints of motion capture files, which are named after bones: ``LeftForeArm``, ``Thigh_R``.

A joint of such a file is at the start of its bone: ``LeftUpLeg`` is the left hip, ``LeftHand`` the left wrist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SIDES = {"left": "left", "l": "left", "lft": "left", "right": "right", "r": "right", "rgt": "right"}
_IGNORED = {"joint", "bip", "def", "base", "j", "jnt", "bone"}
# Names without side and number. If there are several names for a place, the first that the skeleton has is used.
_LIMBS: Mapping[str, tuple[str, ...]] = {
    "clavicle": ("clavicle", "collar", "shoulder"),
    "shoulder": ("upper arm", "up arm", "arm", "shoulder"),
    "elbow": ("fore arm", "forearm", "lower arm", "low arm", "elbow"),
    "wrist": ("wrist", "hand"),
    "hand": ("hand",),
    "hip": ("up leg", "upper leg", "thigh", "hip"),
    "knee": ("knee", "lower leg", "low leg", "leg", "shin", "calf"),
    "ankle": ("ankle", "foot"),
    "foot": ("toe", "toes", "ball"),
}
_MIDLINE: Mapping[str, tuple[str, ...]] = {
    "pelvis": ("hips", "pelvis", "hip"),
    "neck": ("neck",),
    "head": ("head",),
}
_BACK = {"spine", "chest", "back", "abdomen", "waist", "torso"}
# Positions of the joints of the back on the way from the pelvis to the neck (see made_joints).
_HEIGHTS = {"spine": 0.5, "upper_back": 0.75, "lower_back": 0.2}


def mocap_names(joints: Sequence[str]) -> dict[str, str]:
    """The common names of the joints of a motion capture skeleton, for joints that have one.

    ``LeftShoulder`` is the clavicle if the skeleton also has ``LeftArm`` or ``LeftUpperArm``, and otherwise the
    shoulder. The joints of the back are identified by their order from the pelvis up, not by their names.

    Args:
        joints: The names in the file's order, parents before children.

    Returns:
        A dict from the joints' own names to distinct common names. It is empty if the hips, knees, shoulders and elbows
        of both sides are not all recognized.

    Example:
        >>> left = ["LeftUpLeg", "LeftLeg", "LeftFoot", "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand"]
        >>> right = [name.replace("Left", "Right") for name in left]
        >>> names = mocap_names(["Hips", "Spine", "Spine1", "Neck", "Head", *left, *right])
        >>> [names[joint] for joint in left]
        ['hip_left', 'knee_left', 'ankle_left', 'clavicle_left', 'shoulder_left', 'elbow_left', 'wrist_left']
    """
    split = {joint: _split(joint) for joint in joints}
    found: dict[str, str] = {}
    for side in ("left", "right"):
        said: dict[str, str] = {}
        for joint, (words, its_side) in split.items():
            if its_side == side:
                said.setdefault(words, joint)
        for place, ways in _LIMBS.items():
            found |= {f"{place}_{side}": said[way] for way in ways[::-1] if way in said}
        for upper, lower in (("clavicle", "shoulder"), ("wrist", "hand")):  # one joint cannot be both
            if found.get(f"{upper}_{side}") == found.get(f"{lower}_{side}"):
                found.pop(f"{upper if upper == 'clavicle' else lower}_{side}", None)
    needed = [f"{place}_{side}" for place in ("hip", "knee", "shoulder", "elbow") for side in ("left", "right")]
    if not found.keys() >= set(needed) or len({found[name] for name in needed}) < len(needed):
        return {}
    middle = {words: joint for joint, (words, side) in reversed(split.items()) if side is None}
    for place, ways in _MIDLINE.items():
        for way in ways[::-1]:
            if way in middle:
                found[place] = middle[way]
    back = [joint for joint, (words, side) in split.items() if side is None and not _BACK.isdisjoint(words.split())]
    return {joint: name for name, joint in {**found, **_back(back)}.items()}


def _back(joints: Sequence[str]) -> dict[str, str]:
    """Assign the joints of the back to the nearest heights, each height once."""
    heights = {joint: place / (len(joints) + 1) for place, joint in enumerate(joints, 1)}
    pairs = sorted((abs(heights[joint] - height), name, joint) for name, height in _HEIGHTS.items() for joint in joints)
    found: dict[str, str] = {}
    for _, name, joint in pairs:
        if name not in found and joint not in found.values():
            found[name] = joint
    return found


def _split(joint: str) -> tuple[str, str | None]:
    """The words of a name without side, number and prefix, and the side: ``("fore arm", "left")``."""
    bare = joint.rpartition(":")[2]  # mixamorig:LeftArm
    words = [word.lower() for word in _WORD.findall(bare)]
    if len(words) == 1 and words[0][:1] in "lr" and words[0][1:] in _BARE:  # lthigh
        words = [words[0][0], words[0][1:]]
    side = next((_SIDES[word] for word in words if word in _SIDES), None)
    numbered = any(word.isdigit() and int(word) > 1 for word in words)
    kept = [word for word in words if word not in _SIDES and word not in _IGNORED and not word.isdigit()]
    if side is None and numbered and not _BACK.intersection(kept):
        kept.append("2")  # the second neck is not the neck
    return " ".join(kept), side


_BARE = {way for ways in _LIMBS.values() for way in ways}
