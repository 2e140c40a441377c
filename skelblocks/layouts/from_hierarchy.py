"""Create a layout from a tree of joints, as in motion capture files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from skelblocks._utils.checks import check_integer
from skelblocks._utils.did_you_mean import did_you_mean
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts.common_joints import common_name
from skelblocks.layouts.describe_layout import BODIES, PARTS
from skelblocks.layouts.mocap_names import mocap_names
from skelblocks.layouts.skeleton_layout import JointGroup, SkeletonLayout

_SIDES = {"left": "right", "right": "left", "l": "r", "r": "l", "lft": "rgt", "rgt": "lft"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^A-Za-z\d]+")
_LIMBS = {  # joints that identify a limb, and the names of its halves
    "arm": ({"shoulder", "elbow", "wrist"}, ("arm", "hand")),
    "leg": ({"hip", "knee", "ankle"}, ("leg", "foot")),
}


@explain_arguments
def from_hierarchy(
    parents: Sequence[int], names: Sequence[str], *, name: str = "hierarchy", center: str | None = None
) -> SkeletonLayout:
    """Create a layout from a tree of joints: bones from the tree, sides from the names, and proposed partitions.

    Left and right are recognized by words such as ``left``, ``Right``, ``l`` and ``R`` in the names (``LeftArm``,
    ``hand.L``, ``l_knee``), or by the first letter (``lfemur``). A joint without a partner is its own mirror image.

    The bodies are the limbs (chains of joints that have partners) and the torso (all other joints). Each body is split
    into two parts: the near half and the far half of its levels in the tree. If the names of arms and legs are
    recognized, groups have the catalogue's order. This is only a proposal: look at it with
    ``viz.draw_skeleton(..., color_by="part")``, and change it with
    ``SkeletonLayout.from_dict({**layout.to_dict(), "parts": ...})`` if needed.

    Args:
        parents: The index of each joint's parent. For the root, -1 or its own index.
        names: The joints' names, in the order of the data.
        name: The layout's name.
        center: The name of the joint at which bones start and clips are centered. Default: the root.

    Returns:
        The layout; it is not registered.

    Raises:
        TypeError: a parent is not an integer, or a name is not a string.
        ValueError: different numbers of names and parents, a parent out of range, no root or several roots, a cycle,
            names that are not distinct, or a center that is not a joint.

    Example:
        >>> arm = from_hierarchy([-1, 0, 1, 0, 3], ["hips", "LeftUpLeg", "LeftLeg", "RightUpLeg", "RightLeg"])
        >>> arm.edges, arm.swap
        (((1, 0), (2, 1), (3, 0), (4, 3)), (0, 3, 4, 1, 2))
        >>> [group.name for group in arm.bodies]
        ['LeftUpLeg', 'RightUpLeg', 'torso']
    """
    root = _check_tree(parents, names)
    if center is not None and center not in names:
        raise ValueError(f"center: expected one of the names, got {center!r}{did_you_mean(center, names)}")
    swap = _mirror(names, parents)
    bodies = _limbs(parents, names, swap, root)
    labels = _labels(names, bodies, has_sides=swap != tuple(range(len(names))))
    parts: list[JointGroup] = []
    for limb, label in zip(bodies, labels, strict=True):
        near, far = _halves(limb, parents)
        parts += [
            JointGroup(called, joints) for called, joints in zip(_ends(label), (near, far), strict=True) if joints
        ]
    return SkeletonLayout(
        name=name,
        joints=tuple(names),
        edges=tuple((joint, int(parent)) for joint, parent in enumerate(parents) if joint != root),
        center=root if center is None else list(names).index(center),
        swap=swap,
        parts=_in_order(parts, PARTS),
        bodies=_in_order([JointGroup(label, limb) for limb, label in zip(bodies, labels, strict=True)], BODIES),
    )


def _in_order(groups: Sequence[JointGroup], known: Sequence[str]) -> tuple[JointGroup, ...]:
    """Sort groups in the catalogue's order, if the catalogue has all of them."""
    if {group.name for group in groups} <= set(known):
        return tuple(sorted(groups, key=lambda group: known.index(group.name)))
    return tuple(groups)


def _check_tree(parents: Sequence[int], names: Sequence[str]) -> int:
    """Raise unless the joints form a tree. Return its root."""
    if isinstance(names, str) or not all(isinstance(each, str) for each in names):
        raise TypeError(f"names: expected a sequence of strings, got {names!r:.80}")
    if len(parents) != len(names) or not len(names) or len(set(names)) != len(names):
        raise ValueError(
            f"names: expected {len(parents)} distinct names, one per parent, got {len(names)}: {', '.join(names)[:200]}"
        )
    for parent in parents:
        check_integer(parent, name="parents", least=-1)
        if parent >= len(parents):
            raise ValueError(f"parents: expected indices of joints below {len(parents)}, got {parent}")
    roots = [joint for joint, parent in enumerate(parents) if parent in (-1, joint)]
    if len(roots) != 1:
        found = ", ".join(names[joint] for joint in roots) or "none"
        raise ValueError(f"parents: expected one root, with parent -1, got {found}; give the others a parent")
    for joint in range(len(parents)):
        above = joint
        for _ in parents:
            above = above if above == roots[0] else parents[above]
        if above != roots[0]:
            raise ValueError(f"parents: expected a tree, got a cycle through {names[joint]!r}; change a parent")
    return roots[0]


def _mirror(names: Sequence[str], parents: Sequence[int]) -> tuple[int, ...]:
    partner = {}
    for joint, each in enumerate(names):
        others = [names.index(other) for other in _other_sides(each) if other in names]
        partner[joint] = others[0] if others else joint
    mutual = {joint: other for joint, other in partner.items() if partner[other] == joint}
    return tuple(mutual.get(joint, joint) for joint in range(len(parents)))


def _other_sides(name: str) -> list[str]:
    """Possible names of the same joint on the other side."""
    words = _WORD.findall(name)
    found = []
    for place, word in enumerate(words):
        other = _SIDES.get(word.lower())
        if other is not None:
            like = other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
            found.append("".join([*words[:place], like, *words[place + 1 :]]))
    if name[:1] in "lrLR" and name:  # lfemur, RHand
        found.append({"l": "r", "r": "l", "L": "R", "R": "L"}[name[0]] + name[1:])
    return [other for other in found if other != name]


def _limbs(parents: Sequence[int], names: Sequence[str], swap: Sequence[int], root: int) -> list[tuple[int, ...]]:
    """The limbs, in the order of their first joints, then the torso with all other joints.

    If the skeleton has sides, a limb has two or more joints that have a partner and are not part of the face.
    Otherwise, each child of the root starts a limb.
    """
    everywhere = range(len(parents))
    has_sides = any(swap[joint] != joint for joint in everywhere)
    top = {root: root}  # the first joint of a joint's limb; the root for the torso
    for joint in sorted(everywhere, key=lambda each: _depth(each, parents)):
        if joint != root:
            above = top[parents[joint]]
            begins = swap[joint] != joint if has_sides else parents[joint] == root
            top[joint] = above if above != root else joint if begins else root
    tops = dict.fromkeys(top[joint] for joint in everywhere if top[joint] != root)
    limbs = [tuple(joint for joint in everywhere if top[joint] == each) for each in tops]
    if has_sides:
        limbs = [limb for limb in limbs if len(limb) > 1 and not all(_of_face(names[joint]) for joint in limb)]
    torso = set(everywhere).difference(*limbs)
    return [*limbs, tuple(sorted(torso))]


def _of_face(name: str) -> bool:
    return (common_name(name) or "").startswith(("eye", "ear", "mouth"))


def _labels(names: Sequence[str], bodies: Sequence[Sequence[int]], *, has_sides: bool) -> list[str]:
    labels = []
    bones = mocap_names(names)
    for limb in bodies[:-1]:
        split = [(bones.get(names[joint]) or common_name(names[joint]) or "").rpartition("_") for joint in limb]
        found = [
            f"{side}_{kind}"
            for kind, (joints, _) in _LIMBS.items()
            for base, _, side in split
            if base in joints and side in ("left", "right")
        ]
        labels.append(found[0] if found and found[0] not in labels else names[limb[0]])
    return [*labels, "torso" if has_sides else names[bodies[-1][0]]]


def _ends(label: str) -> tuple[str, str]:
    if label == "torso":
        return "spine", "head"
    side, _, kind = label.partition("_")
    if side in ("left", "right") and kind in _LIMBS:
        near, far = _LIMBS[kind][1]
        return f"{side}_{near}", f"{side}_{far}"
    return label, f"{label}_end"


def _halves(limb: Sequence[int], parents: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The joints of a limb in the near half of its levels, and the other joints."""
    level: Mapping[int, int] = {joint: _depth(joint, parents) for joint in limb}
    first, last = min(level.values()), max(level.values())
    middle = (first + last) / 2
    return tuple(j for j in limb if level[j] <= middle), tuple(j for j in limb if level[j] > middle)


def _depth(joint: int, parents: Sequence[int]) -> int:
    depth = 0
    while parents[joint] not in (-1, joint):
        joint = parents[joint]
        depth += 1
    return depth
