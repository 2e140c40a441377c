"""Recognize the skeleton of a file, and check that it matches the caller's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skelblocks import layouts
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts import SkeletonLayout

_DESCRIBE = "define your layout in a file for layouts.load (--layout mine.json), or with layouts.register"


@explain_arguments
def recognize_layout(
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None, *, num_joints: int, joint_names: Sequence[str] = ()
) -> SkeletonLayout:
    """Find the layout of some clips, or check the layout that the caller passes.

    Data sets from the same sensor can have the same joints in different orders, for instance NW-UCLA and UTD-MHAD. Only
    the names of the joints can tell, not their number.

    Args:
        layout: A name, a dict or a layout. Default: the first known layout with exactly the joints of ``joint_names``.
        num_joints: Number of joints in the clips.
        joint_names: The names of the joints in the file, in its order, if it has any.

    Returns:
        The layout.

    Raises:
        ValueError: the layout has another number of joints, or the same joints in another order; or no layout is passed
            and no known layout has these names. If a known layout has the names in another order, or has more joints,
            the message says how to create the right layout with :func:`~skelblocks.layouts.restrict`.

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
        why = f"have joints with other names, {names[:3]} and so on" if names else "have no names of their joints"
        whole = _whole(names)
        if whole and len(names) == num_joints:
            order = "in another order" if len(names) == layouts.get(whole).num_joints else "without some of them"
            raise ValueError(f"layout: the clips have the joints of {whole!r} {order}; {_restricted(whole)}")
        raise ValueError(f"layout: the clips {why}; pass the layout; {suggestion}")
    layout = layouts.get(layout)
    if layout.num_joints != num_joints:
        if names and len(set(names)) == len(names) == num_joints and set(names) <= set(layout.joints):
            suggestion = f"they are some of the joints of {layout.name!r}; {_restricted(layout.name)}"
        raise ValueError(
            f"layout: {layout.name!r} has {layout.num_joints} joints, the clips have {num_joints}; {suggestion}"
        )
    if names != layout.joints and sorted(names) == sorted(layout.joints):
        raise ValueError(
            f"layout: the clips have the joints of {layout.name!r} in another order, {escape(', '.join(names))}; "
            + (f"pass {same_names[0]!r}" if same_names else _restricted(layout.name))
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
