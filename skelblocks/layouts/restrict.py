"""Restrict a skeleton to some of its joints, and find the joints that two skeletons share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skelblocks._utils.did_you_mean import did_you_mean
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts.registry import get
from skelblocks.layouts.skeleton_layout import JointGroup, SkeletonLayout


@explain_arguments
def restrict(
    layout: str | Mapping[str, Any] | SkeletonLayout, joints: Sequence[str], *, name: str | None = None
) -> SkeletonLayout:
    """Create the layout of some joints of another layout.

    Bones between two kept joints stay. If a joint's parent is removed, the new parent is its nearest kept ancestor on
    the way to the center, or the new center if there is none. If a joint's mirror image is removed, the joint becomes
    its own mirror image. Groups without joints are removed.

    A center that is kept stays the center. Otherwise, the new center is one of the joints without a kept ancestor: the
    joint nearest to the old center on the midline (its own mirror image in ``layout``), so that the graph stays
    symmetric; or the nearest joint if there is none on the midline. Ties go to the first in ``joints``.

    Args:
        layout: A name, a dict or a layout.
        joints: Names of joints, in the order of the new joint axis. Convert clips ``(n, c, t, v, m)`` of ``layout``
            with ``clips[:, :, :, [layout.index(j) for j in joints]]``.
        name: The new name. Default: a name such as ``"ntu-rgb+d[12 joints]"``, or the layout's own name if all joints
            keep their order.

    Returns:
        The layout. It is not registered.

    Raises:
        TypeError: ``joints`` is a string, or contains something other than strings.
        ValueError: no joints, a repeated joint, a joint that ``layout`` does not have, or an unknown layout.

    Example:
        >>> arm = restrict("ntu-rgb+d", ["spine_shoulder", "shoulder_left", "hand_left"])
        >>> arm.name, arm.edges, arm.joints[arm.center]
        ('ntu-rgb+d[3 joints]', ((1, 0), (2, 1)), 'spine_shoulder')
    """
    layout = get(layout)
    if isinstance(joints, str) or not all(isinstance(joint, str) for joint in joints):
        raise TypeError(f"joints: expected a sequence of names, got {joints!r}; pass a list")
    if not len(joints) or len(set(joints)) != len(joints):
        raise ValueError(
            f"joints: expected distinct names of joints, at least one, got {list(joints)}; name each joint once"
        )
    missing = [joint for joint in joints if joint not in layout.joints]
    if missing:
        raise ValueError(
            f"joints: layout {layout.name!r} has no {', '.join(map(repr, missing))}"
            f"{did_you_mean(missing[0], layout.joints)}; it has {', '.join(layout.joints)}"
        )
    place = {layout.index(joint): i for i, joint in enumerate(joints)}  # from old to new indices of the kept joints
    edges = [(place[a], place[b]) for a, b in layout.edges if a in place and b in place]
    ancestors = {joint: _ancestors(layout, joint) for joint in place}
    above = {joint: next((a for a in chain if a in place), None) for joint, chain in ancestors.items()}
    tops = [joint for joint, ancestor in above.items() if ancestor is None]
    center = min(tops, key=lambda joint: (layout.swap[joint] != joint, len(ancestors[joint])))
    for joint, ancestor in above.items():
        if joint != center and (ancestor is None or ancestor != layout.parents[joint]):
            edges.append((place[joint], place[center if ancestor is None else ancestor]))
    whole = tuple(joints) == layout.joints
    return SkeletonLayout(
        name=name if name is not None else layout.name if whole else f"{layout.name}[{len(joints)} joints]",
        joints=tuple(joints),
        edges=tuple(edges),
        center=place[center],
        swap=tuple(place.get(layout.swap[joint], place[joint]) for joint in place),
        parts=_kept(layout.parts, place),
        bodies=_kept(layout.bodies, place),
    )


@explain_arguments
def shared_joints(
    a: str | Mapping[str, Any] | SkeletonLayout, b: str | Mapping[str, Any] | SkeletonLayout
) -> tuple[str, ...]:
    """The joints that two layouts share by name. The order does not depend on the order of the arguments.

    Args:
        a: A name, a dict or a layout.
        b: A name, a dict or a layout.

    Returns:
        The names for :func:`restrict`, in the order of the layout whose name is first alphabetically. Empty if the
        layouts share no joints.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> shared_joints("h36m-17", "sbu")[:4]
        ('hip_right', 'knee_right', 'hip_left', 'knee_left')
        >>> clip_joints = restrict("sbu", shared_joints("sbu", "h36m-17")).joints
        >>> clip_joints == restrict("h36m-17", shared_joints("sbu", "h36m-17")).joints
        True
    """
    first, second = sorted((get(a), get(b)), key=lambda layout: (layout.name, layout.joints))
    return tuple(joint for joint in first.joints if joint in second.joints)


def _ancestors(layout: SkeletonLayout, joint: int) -> list[int]:
    """The joints from a joint's parent to the center, including both."""
    chain = []
    while joint != layout.center:
        joint = layout.parents[joint]
        chain.append(joint)
    return chain


def _kept(groups: Sequence[JointGroup], place: Mapping[int, int]) -> tuple[JointGroup, ...]:
    left = [JointGroup(name, tuple(place[joint] for joint in joints if joint in place)) for name, joints in groups]
    return tuple(group for group in left if group.joints)
