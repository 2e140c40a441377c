"""Find the layout with the joints that a file names, in any spelling of left and right."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skelblocks import layouts

_OTHER_NAMES = {
    "head": "head_top",
    "hip": "mid_hip",
    "pelvis": "mid_hip",
    "root": "pelvis",
    "neck_base": "neck",
    "foot_left": "ankle_left",
    "foot_right": "ankle_right",
}


def plain_joint_name(name: str) -> str:
    """A joint's name in the catalogue's way: lower-case, the side last.

    Example:
        >>> plain_joint_name("left_eye"), plain_joint_name("LEFT_EYE_INNER"), plain_joint_name("RightHip")
        ('eye_left', 'eye_inner_left', 'hip_right')
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_").split("_")
    words = [{"l": "left", "r": "right"}.get(word, word) for word in words if word]
    sides = [word for word in words if word in ("left", "right")]
    return "_".join([word for word in words if word not in ("left", "right")] + sides)


def layout_of_names(names: Sequence[str]) -> str | None:
    """The first known layout with exactly these joints in this order; None if there is none.

    Example:
        >>> layout_of_names(["nose", "left_eye", "right_eye"])
        >>> from skelblocks import layouts
        >>> layout_of_names([" ".join(reversed(name.split("_"))) for name in layouts.get("coco-17").joints])
        'coco-17'
    """
    plain = [plain_joint_name(name) for name in names]
    for known in layouts.available():
        joints = [plain_joint_name(joint) for joint in layouts.get(known).joints]
        if len(joints) == len(plain) and all(
            joint == name or joint == _OTHER_NAMES.get(name) for joint, name in zip(joints, plain, strict=True)
        ):
            return known
    return None
