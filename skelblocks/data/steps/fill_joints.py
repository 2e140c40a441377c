"""Fill unseen joints in frames in which their person is seen.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.data.steps.check_array import check_array
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.recognize_layout import recognize_layout

MAX_GAP = 10  # frames, a third of a second of most cameras


@explain_arguments
def fill_joints(
    x: NDArray[Any],
    seen: NDArray[np.bool_],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    max_gap: int = MAX_GAP,
) -> NDArray[Any]:
    """Fill unseen joints in every frame in which their person is seen with at least one joint.

    A joint that is lost for a few frames keeps to its parent, the next joint towards the layout's center: seen from
    there, it moves straight from where it was seen last to where it is seen next, linearly in time. Before the first
    and after the last frame in which it is seen, it stays where it is seen nearest in time, again as seen from its
    parent. So bones keep their lengths while the body moves. The center itself moves straight in space.

    A joint that is lost for longer, or never seen, lies where its parent lies. A center that is lost for longer lies
    where the nearest joint along the bones lies that is not. So a joint is never at the origin for want of a place.

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
        ValueError: Wrong axes, another number of joints than the layout's, or ``max_gap`` below 0.

    Example:
        >>> x = np.zeros((1, 4, 20, 1))
        >>> x[0, :, 3, 0] = 1, 0, 0, 4  # the head of NW-UCLA, which is lost in two frames
        >>> x[0, :, 2, 0] = 0.5, 0.5, 0.5, 0.5  # the shoulder center, on which it hangs
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
    over_time = _OverTime.find(seen, max_gap)
    placed = np.zeros_like(x)
    for joint in _from_center(layout):
        gaps = over_time.of(joint)
        if joint == layout.center:
            placed[:, :, joint] = _center_placed(x, seen, layout, over_time)
            continue
        parent = placed[:, :, layout.parents[joint]]
        offset = np.where(seen[:, joint], x[:, :, joint], 0) - parent
        placed[:, :, joint] = np.where(seen[:, joint], x[:, :, joint], parent + gaps.between(offset))
    there = np.asarray(seen.any(axis=1))  # (t, m)
    out: NDArray[Any] = np.where(there[:, None], placed, x.dtype.type(0))
    return out


def check_seen_joints(x: NDArray[Any], seen: NDArray[np.bool_]) -> None:
    """Raise unless ``x`` is ``(c, t, v, m)`` and ``seen`` is boolean ``(t, v, m)``."""
    if x.ndim != 4:
        raise ValueError(f"x: expected 4 axes (c, t, v, m), got shape {x.shape}")
    if not isinstance(seen, np.ndarray) or seen.dtype != np.bool_:
        raise TypeError(f"seen: expected a boolean numpy array, got {getattr(seen, 'dtype', type(seen).__name__)}")
    if seen.shape != x.shape[1:]:
        raise ValueError(f"seen: expected (t, v, m) = {x.shape[1:]} as in x, got shape {seen.shape}")


class _OverTime(NamedTuple):
    """Which frames give a joint its place in a frame in which it is not seen; axes ``(t, v, m)`` or ``(t, m)``.

    Attributes:
        known: Where the joint is seen, or lost for a short time only.
        start: The frame in which it is seen last, or before that the first one.
        end: The frame in which it is seen next, or after that the last one.
    """

    known: NDArray[np.bool_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    @classmethod
    def find(cls, seen: NDArray[np.bool_], max_gap: int) -> _OverTime:
        t = len(seen)
        frame = np.arange(t)[:, None, None]
        before = np.maximum.accumulate(np.where(seen, frame, -1), axis=0)
        after = np.minimum.accumulate(np.where(seen, frame, t)[::-1], axis=0)[::-1]
        known = seen | ((after - before - 1 <= max_gap) & ((before >= 0) | (after < t)))
        start = np.clip(np.where(before < 0, after, before), 0, t - 1)
        end = np.clip(np.where(after >= t, before, after), 0, t - 1)
        return cls(known, start, end)

    def of(self, joint: int) -> _OverTime:
        return _OverTime(self.known[:, joint], self.start[:, joint], self.end[:, joint])

    def between(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values ``(c, t, m)`` of the frames ``start`` and ``end``, mixed by time; zero where nothing is known."""
        frame = np.arange(len(self.start))[:, None]
        weight = ((frame - self.start) / np.maximum(self.end - self.start, 1)).astype(values.dtype)
        left, right = (np.take_along_axis(values, place[None], axis=1) for place in (self.start, self.end))
        mixed: NDArray[Any] = np.where(self.known, left + weight * (right - left), values.dtype.type(0))
        return mixed


def _center_placed(
    x: NDArray[Any], seen: NDArray[np.bool_], layout: SkeletonLayout, over_time: _OverTime
) -> NDArray[Any]:
    """The center ``(c, t, m)``: over time, else where the nearest joint is that is not lost."""
    x = np.where(seen, x, x.dtype.type(0))  # what is not seen may be anything
    placed = over_time.of(layout.center).between(x[:, :, layout.center])
    left = ~over_time.known[:, layout.center]
    for other in _from_center(layout)[1:]:
        if not left.any():
            break
        gaps = over_time.of(other)
        placed = np.where(left & gaps.known, gaps.between(x[:, :, other]), placed)
        left = left & ~gaps.known
    return placed


def _from_center(layout: SkeletonLayout) -> list[int]:
    """All joints by the number of bones between them and the center, nearest first."""

    def bones(joint: int) -> int:
        return 0 if joint == layout.center else 1 + bones(layout.parents[joint])

    return sorted(range(layout.num_joints), key=bones)
