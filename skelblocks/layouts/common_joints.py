"""Tables of common names for joints, which layouts call differently.

Two layouts have a joint in the same place if both have its common name. Other joints are computed from these by the
rules of :mod:`skelblocks.layouts.made_joints`.
"""

from __future__ import annotations

from collections.abc import Mapping

from skelblocks.layouts.mocap_names import mocap_names
from skelblocks.layouts.skeleton_layout import SkeletonLayout

_MIDLINE = {
    "pelvis": "pelvis",
    "lower_back": "pelvis",
    "spine": "lower_back",
    "upper_back": "spine",
    "thorax": "upper_back",
    "lower_neck": "thorax",
    "neck": "lower_neck",
    "upper_neck": "neck",
    "head": "upper_neck",
    "head_top": "head",
    "nose": "head",
}
_PAIRED = {
    "eye": "head",
    "eye_inner": "eye",
    "eye_outer": "eye",
    "ear": "head",
    "mouth": "head",
    "clavicle": "thorax",
    "shoulder": "clavicle",
    "elbow": "shoulder",
    "wrist": "elbow",
    "hand": "wrist",
    "fingers": "hand",
    "fingertips": "fingers",
    "thumb": "hand",
    "index": "hand",
    "pinky": "hand",
    "hip_root": "pelvis",
    "hip": "hip_root",
    "knee": "hip",
    "ankle": "knee",
    "heel": "ankle",
    "foot": "ankle",
    "toes": "foot",
    "small_toe": "foot",
}


def _with_side(joint: str, side: str) -> str:
    return f"{joint}_{side}" if joint in _PAIRED else joint


# Every common name with its parent. The pelvis is its own parent.
COMMON_PARENTS: Mapping[str, str] = {
    **_MIDLINE,
    **{_with_side(joint, side): _with_side(on, side) for joint, on in _PAIRED.items() for side in ("left", "right")},
}

# Other names for the same places. The thorax is the point between the shoulders.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "pelvis": ("spine_base", "hip_center", "mid_hip", "hips", "root"),
    "spine": ("spine_middle", "spine_mid", "torso", "belly", "spine_naval", "spine2"),
    "lower_back": ("spine1",),
    "upper_back": ("chest", "spine_chest", "spine3"),
    "thorax": ("spine_shoulder", "shoulder_center"),
    "head": ("face",),
    "fingers": ("hand_tip", "finger"),
    "toes": ("toe", "foot_tip", "big_toe", "foot_index"),
    "clavicle": ("collar",),
}
_COMMON_OF = {name: name for name in COMMON_PARENTS} | {
    alias + side: name + side
    for name, aliases in _ALIASES.items()
    for alias in aliases
    for side in (("",) if name in _MIDLINE else ("_left", "_right"))
}
# Layouts in which a name means another place than in other layouts.
_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "sbu": {"neck": "thorax"},  # between the shoulders, as OpenNI tracks it
    "openpose-18": {"neck": "thorax"},  # the mean of the shoulders
    "body-25": {"neck": "thorax"},
    "halpe-26": {"neck": "thorax"},
    "coco-wholebody-133": {
        f"{joint}_{side}": f"{place}_{side}"
        for joint, place in {
            "middle_mcp": "hand",
            "middle_tip": "fingers",
            "thumb_tip": "thumb",
            "index_mcp": "index",
            "pinky_mcp": "pinky",
        }.items()
        for side in ("left", "right")
    },
}


def common_name(joint: str) -> str | None:
    """The common name of a joint, or None if it has none.

    Case, spaces and hyphens do not matter, and ``left_hand`` means the same as ``hand_left``.

    Example:
        >>> common_name("Left Big Toe"), common_name("spine_base"), common_name("tail")
        ('toes_left', 'pelvis', None)
    """
    words = joint.lower().replace("-", " ").replace("_", " ").split()
    if words and words[0] in ("left", "right"):
        words = [*words[1:], words[0]]
    return _COMMON_OF.get("_".join(words))


def common_names(layout: SkeletonLayout) -> tuple[str, ...]:
    """The common name of each joint of a layout, or the layout's own name for a joint without a common name.

    Names of bones, as in motion capture files (``LeftUpLeg``), are recognized too.

    Raises:
        ValueError: two joints of the layout have the same common name.

    Example:
        >>> from skelblocks import layouts
        >>> common_names(layouts.get("nw-ucla"))[:4]
        ('pelvis', 'spine', 'thorax', 'head')
    """
    meanings = _MEANINGS.get(layout.name.partition("[")[0], {})
    own = [meanings.get(joint) or common_name(joint) for joint in layout.joints]
    if not {"knee_left", "knee_right"} <= set(own):  # named by bones, as in motion capture files
        bones = mocap_names(layout.joints)
        own = [bones.get(joint) for joint in layout.joints] if bones else own
    names = [name or joint for name, joint in zip(own, layout.joints, strict=True)]
    for place, name in enumerate(names):
        if name in names[:place]:
            first = layout.joints[names.index(name)]
            raise ValueError(
                f"layout: the joints {first!r} and {layout.joints[place]!r} of {layout.name!r} both mean {name!r}; "
                "rename one of them"
            )
    return tuple(names)
