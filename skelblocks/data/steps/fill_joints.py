"""Joints that are not seen in frames in which their person is.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_integer
from skelblocks.data.steps.check_array import check_array
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.recognize_layout import recognize_layout

MAX_GAP = 10  # frames, a third of a second of most cameras


def fill_joints(
    x: NDArray[Any],
    seen: NDArray[np.bool_],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    max_gap: int = MAX_GAP,
) -> NDArray[Any]:
    """Give joints that are not seen a place, in every frame in which their person is seen with at least one joint.

    A joint that is lost for a few frames moves straight from where it was seen last to where it is seen next. Before
    the first and after the last frame in which it is seen, it stays where it is seen nearest in time. A joint that is
    lost for longer, or never seen, lies where the next joint towards the layout's center lies, or where that is lost
    too, the nearest joint along the bones that is not. So a joint is never at the origin for want of a place.

    Args:
        x: A clip ``(c, t, v, m)`` of floating-point coordinates. What it holds for joints that are not seen, such as
            zero or NaN, is not used.
        seen: ``(t, v, m)``, true where the joint is seen.
        layout: The skeleton: a name, a dict or a layout.
        max_gap: The longest gap, in frames, that is filled over time.

    Returns:
        The filled clip, same shape and dtype. Frames in which no joint of a person is seen are zero.

    Raises:
        TypeError: ``x`` is not an array of floating-point numbers, ``seen`` not one of booleans, or ``max_gap`` not an
            integer.
        ValueError: other axes, another number of joints than the layout's, or ``max_gap`` below 0.

    Example:
        >>> x = np.zeros((1, 4, 20, 1))
        >>> x[0, :, 3, 0] = 1, 0, 0, 4  # the head of NW-UCLA, which is lost in two frames
        >>> x[0, :, 2, 0] = 0.5  # the shoulder center
        >>> seen = (x != 0)[0]
        >>> fill_joints(x, seen, layout="nw-ucla")[0, :, 3, 0].tolist()
        [1.0, 2.0, 3.0, 4.0]
        >>> fill_joints(x, seen, layout="nw-ucla", max_gap=1)[0, :, 3, 0].tolist()
        [1.0, 0.5, 0.5, 4.0]
    """
    check_array(x)
    check_seen_joints(x, seen)
    layout = recognize_layout(layout, num_joints=x.shape[2])
    check_integer(max_gap, name="max_gap", least=0)
    if seen.all():
        return np.array(x)
    filled, known = _over_time(x, seen, max_gap)
    there = np.asarray(seen.any(axis=1))  # (t, m)
    lost = there[:, None] & ~known
    for joint in np.flatnonzero(lost.any(axis=(0, 2))).tolist():
        left = lost[:, joint]
        for other in _nearest_joints(layout, joint):
            take = left & known[:, other]
            filled[:, :, joint] = np.where(take, filled[:, :, other], filled[:, :, joint])
            left = left & ~take
            if not left.any():
                break
    out: NDArray[Any] = np.where(there[:, None], filled, x.dtype.type(0))
    return out


def check_seen_joints(x: NDArray[Any], seen: NDArray[np.bool_]) -> None:
    """Raise unless ``x`` is ``(c, t, v, m)`` and ``seen`` is boolean ``(t, v, m)``."""
    if x.ndim != 4:
        raise ValueError(f"x: expected 4 axes (c, t, v, m), got shape {x.shape}")
    if not isinstance(seen, np.ndarray) or seen.dtype != np.bool_:
        raise TypeError(f"seen: expected a boolean numpy array, got {getattr(seen, 'dtype', type(seen).__name__)}")
    if seen.shape != x.shape[1:]:
        raise ValueError(f"seen: expected (t, v, m) = {x.shape[1:]} as in x, got shape {seen.shape}")


def _over_time(x: NDArray[Any], seen: NDArray[np.bool_], max_gap: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The clip with short gaps filled, and ``(t, v, m)``: which joints have a place then."""
    t = len(seen)
    frame = np.arange(t)[:, None, None]
    before = np.maximum.accumulate(np.where(seen, frame, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, frame, t)[::-1], axis=0)[::-1]
    known = seen | ((after - before - 1 <= max_gap) & ((before >= 0) | (after < t)))
    # At the ends, both are the frame nearest in time.
    start = np.clip(np.where(before < 0, after, before), 0, t - 1)
    end = np.clip(np.where(after >= t, before, after), 0, t - 1)
    weight = ((frame - start) / np.maximum(end - start, 1)).astype(x.dtype)
    left, right = (np.take_along_axis(x, place[None], axis=1) for place in (start, end))
    with np.errstate(all="ignore"):  # what is not seen may be anything
        filled = np.where(known, left + weight * (right - left), x.dtype.type(0))
    return np.where(seen, x, filled), known


def _nearest_joints(layout: SkeletonLayout, joint: int) -> list[int]:
    """All other joints: first those on the way to the center, then the rest by the number of bones between."""
    chain = []
    reached = [joint]
    while joint != layout.center:
        joint = layout.parents[joint]
        chain.append(joint)
    for each in reached:  # breadth first, the list grows
        neighbors = [b if a == each else a for a, b in layout.edges if each in (a, b)]
        reached += [other for other in neighbors if other not in reached]
    return [*chain, *(other for other in reached if other not in chain)]
