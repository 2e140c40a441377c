"""Find the unseen joints of clips in arrays, and fill them.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks.data.steps.fill_gaps import fill_gaps
from skelblocks.data.steps.fill_joints import MAX_GAP
from skelblocks.layouts import SkeletonLayout


class SeenClips(NamedTuple):
    """Clips in which every joint has coordinates.

    Attributes:
        clips: ``(n, c, t, v, m)``.
        seen: ``(n, t, v, m)`` boolean, true where the joint is seen.
    """

    clips: NDArray[Any]
    seen: NDArray[np.bool_]


def place_unseen(
    clips: NDArray[Any], seen: NDArray[np.bool_] | None, *, nan: bool, layout: SkeletonLayout
) -> SeenClips:
    """Fill unseen joints with :func:`~skelblocks.data.fill_joints`.

    Gaps of at most ten frames, in which a person is not seen at all, are filled from the frames around them. Longer
    gaps are zero, and so are frames before the first and after the last one with the person.

    Args:
        clips: ``(n, c, t, v, m)`` of floating-point numbers.
        seen: ``(n, t, v, m)``, true where the joint is seen. None: all joints of present persons are seen.
        nan: Whether NaN marks unseen joints.
        layout: The skeleton.

    Returns:
        The clips (a copy if any joint is unseen), and the complete mask.

    Example:
        >>> from skelblocks import layouts
        >>> x = np.ones((1, 3, 5, 20, 1))
        >>> x[0, :, 2, 3] = np.nan
        >>> placed = place_unseen(x, None, nan=True, layout=layouts.get("nw-ucla"))
        >>> bool(np.isfinite(placed.clips).all()), int((~placed.seen).sum())
        (True, 1)
    """
    known = np.isnan(clips).any(axis=1) if nan else np.zeros((len(clips), *clips.shape[2:]), dtype=np.bool_)
    known = ~known if seen is None else ~known & seen
    # Where all coordinates of a person are zero, time is padded or the person is absent.
    known &= ((clips != 0) & ~np.isnan(clips)).any(axis=(1, 3))[:, :, None]
    present = known.any(axis=2)  # (n, t, m)
    held = (clips != 0).any(axis=(1, 3))  # (n, t, m), NaN included
    odd = np.flatnonzero((~known & held[:, :, None]).any(axis=(1, 2, 3)))
    if not len(odd):
        return SeenClips(clips, known)
    placed = np.array(clips)
    for clip in odd.tolist():
        filled = fill_gaps(clips[clip], known[clip], how="interpolate", layout=layout)
        absent = ~held[clip] | _long_gaps(present[clip])
        placed[clip] = np.where(absent[:, None], clips.dtype.type(0), filled)
    return SeenClips(placed, known)


def _long_gaps(there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(t, m)``: frames in gaps of more than ten frames, between two frames with the person."""
    t = len(there)
    frame = np.arange(t)[:, None]
    before = np.maximum.accumulate(np.where(there, frame, -1), axis=0)
    after = np.minimum.accumulate(np.where(there, frame, t)[::-1], axis=0)[::-1]
    return ~there & (before >= 0) & (after < t) & (after - before - 1 > MAX_GAP)
