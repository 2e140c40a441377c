"""Which skeleton a file holds, and whether it is the one that the caller means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks.layouts import SkeletonLayout

_DESCRIBE = "describe yours in a file for layouts.load (--layout mine.json), or with layouts.register"


def recognize_layout(
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None, *, num_joints: int, joint_names: Sequence[str] = ()
) -> SkeletonLayout:
    """Find the layout of some clips, or check the one that is given.

    Data sets of the same sensor can hold the same joints in different orders, NW-UCLA and UTD-MHAD for instance; the
    number of joints says nothing about that, the names do.

    Args:
        layout: A name, a dict or a layout. Default: the first known one with exactly the joints of ``joint_names``.
        num_joints: Joints in the clips.
        joint_names: The file's names for them, in its order, if it has any.

    Returns:
        The layout.

    Raises:
        ValueError: the layout has another number of joints, or the same joints in another order; or none is given and
            the names are not those of a known one. Where the names are those of a known layout in another order, or of
            some of its joints, the message says how :func:`~skelblocks.layouts.restrict` makes the right one.

    Example:
        >>> recognize_layout("ntu-rgb+d", num_joints=20)
        Traceback (most recent call last):
        ...
        ValueError: layout: 'ntu-rgb+d' has 25 joints, the clips have 20; layouts with 20 joints: ...
    """
    names = tuple(map(str, joint_names))
    same_size = [name for name in layouts.available() if layouts.get(name).num_joints == num_joints]
    if same_size:
        suggestion = f"layouts with {num_joints} joints: {', '.join(map(repr, same_size))}"
    else:
        suggestion = f"no layout with {num_joints} joints is known; {_DESCRIBE}"
    same_names = [name for name in same_size if layouts.get(name).joints == names]
    if layout is None:
        if same_names:
            return layouts.get(same_names[0])
        why = (
            f"have joints of other names, {names[:3]} and so on" if names else "come without the names of their joints"
        )
        whole = _whole(names)
        if whole and len(names) == num_joints:
            order = "in another order" if len(names) == layouts.get(whole).num_joints else "without some of them"
            raise ValueError(f"layout: the clips have the joints of {whole!r} {order}; {_restricted(whole)}")
        raise ValueError(f"layout: the clips {why}; pass the layout; {suggestion}")
    layout = layouts.get(layout)
    if layout.num_joints != num_joints:
        if names and len(set(names)) == len(names) == num_joints and set(names) <= set(layout.joints):
            suggestion = f"its names are those of a part of {layout.name!r}; {_restricted(layout.name)}"
        raise ValueError(
            f"layout: {layout.name!r} has {layout.num_joints} joints, the clips have {num_joints}; {suggestion}"
        )
    if names != layout.joints and sorted(names) == sorted(layout.joints):
        raise ValueError(
            f"layout: the clips hold the joints of {layout.name!r} in another order, {escape(', '.join(names))}; "
            + (f"that is {same_names[0]!r}" if same_names else _restricted(layout.name))
        )
    return layout


def _whole(names: Sequence[str]) -> str:
    """The first known layout that has all of these joints; empty if there is none."""
    if not names or len(set(names)) != len(names):
        return ""
    return next((name for name in layouts.available() if set(names) <= set(layouts.get(name).joints)), "")


def _restricted(name: str) -> str:
    skeleton = repr(name) if name in layouts.available() else "layout"
    return (
        f"pass layouts.restrict({skeleton}, names) with the names in the clips' order (for a command line, write it to "
        "a file with layouts.save)"
    )
