"""Define layouts by the names of their joints, with the parts, bodies and mirror image that the catalogue shares.

If the joints allow it, every layout has the same ten parts and five bodies in the same order: the order of MsMCLR's
released code. So the difference between neighboring parts means the same on every skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skelblocks.layouts.skeleton_layout import JointGroup, SkeletonLayout

PARTS = (
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
BODIES = ("left_arm", "right_arm", "left_leg", "right_leg", "torso")


def named(names: Sequence[str], *groups: Sequence[int]) -> tuple[JointGroup, ...]:
    """Create groups of joints with these names, in this order.

    Example:
        >>> named(["arm"], (0, 1))
        (JointGroup(name='arm', joints=(0, 1)),)
    """
    return tuple(JointGroup(name, tuple(joints)) for name, joints in zip(names, groups, strict=True))


def mirror(joints: Sequence[str]) -> tuple[int, ...]:
    """The mirror image of joints with names in ``_left`` and ``_right``: for each, the index of the opposite joint.

    Example:
        >>> mirror(("head", "hand_left", "hand_right"))
        (0, 2, 1)
    """
    other = {"_left": "_right", "_right": "_left"}
    swapped = [name[: -len(s)] + other[s] if (s := "_" + name.rpartition("_")[2]) in other else name for name in joints]
    return tuple(joints.index(name) for name in swapped)


def describe_layout(
    name: str, *, joints: Sequence[str], bones: Mapping[str, str], center: str, groups: Mapping[str, Sequence[str]]
) -> SkeletonLayout:
    """Create a layout from tables in which a name without a side means both sides.

    Args:
        name: The layout's name.
        joints: The joints in the order of the data. Names of paired joints end in ``_left`` and ``_right``.
        bones: The parent of each joint except the center.
        center: The center's name.
        groups: The joints of ``"spine"``, ``"head"``, ``"arm"``, ``"hand"``, ``"leg"`` and ``"foot"``, from which parts
            and bodies are derived. ``"spine"`` may be missing.

    Example:
        >>> leg = describe_layout("legs", joints=["hip", "knee_left", "knee_right"], bones={"knee": "hip"},
        ...     center="hip", groups={"spine": ["hip"], "leg": ["knee"]})
        >>> leg.edges, leg.swap, [group.name for group in leg.parts]
        (((1, 0), (2, 0)), (0, 2, 1), ['spine', 'left_leg', 'right_leg'])
    """

    def place(joint: str, side: str = "") -> int:
        return joints.index(joint if joint in joints else f"{joint}_{side}")

    edges: list[tuple[int, int]] = []
    for child, parent in bones.items():
        if child in joints:
            edges.append((place(child), place(parent)))
        else:
            edges += [(place(child, side), place(parent, side)) for side in ("left", "right")]
    parts = {group: [place(joint, side) for joint in groups.get(kind, ())] for group, kind, side in _kinds(PARTS)}
    limbs = {"arm": ("arm", "hand"), "leg": ("leg", "foot"), "torso": ("spine", "head")}
    bodies = {
        body: [place(joint, side) for each in limbs[kind] for joint in groups.get(each, ())]
        for body, kind, side in _kinds(BODIES)
    }
    for joint in _pairs_without_sides(joints, groups):  # both sides belong to one group on the midline
        for table in (parts, bodies):
            for held in table.values():
                if place(joint, "left") in held:
                    held.append(place(joint, "right"))
    return SkeletonLayout(
        name=name,
        joints=tuple(joints),
        edges=tuple(edges),
        center=joints.index(center),
        swap=mirror(joints),
        parts=tuple(JointGroup(group, tuple(sorted(held))) for group, held in parts.items() if held),
        bodies=tuple(JointGroup(group, tuple(sorted(held))) for group, held in bodies.items() if held),
    )


def _kinds(groups: Sequence[str]) -> list[tuple[str, str, str]]:
    """Each group with its kind and side: ``("left_arm", "arm", "left")``, ``("spine", "spine", "left")``."""
    split = [(group, *group.rpartition("_")[::2]) for group in groups]
    return [(group, kind, side or "left") for group, side, kind in split]


def _pairs_without_sides(joints: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    return [joint for kind in ("spine", "head") for joint in groups.get(kind, ()) if joint not in joints]
