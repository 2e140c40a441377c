"""Resample recordings with different frame rates to one rate.

Axes: c coordinates, t frames, v joints, b persons.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import ClipFormatError, RawClip

_NO_RATE = "tells no frame rate, by which it could be resampled; say how it was recorded, with fps="
_ROUNDING = 1e-9


@explain_arguments
def resample_rate(clip: RawClip, fps: float) -> RawClip:
    """Read a recording at another frame rate, by time.

    Frame i of the result is read at ``i / fps`` seconds, by linear interpolation between the two frames around it. A
    joint that only one of them shows is where that one has it. Whether a joint is seen is taken from the nearer frame.

    Args:
        clip: The raw clip. Each place of ``x`` must be one person, ``clip.tracked``.
        fps: Frames per second of the result.

    Returns:
        The clip with ``fps``, about ``t * fps / clip.fps`` frames. It is unchanged where it already has that rate.

    Raises:
        ClipFormatError: The clip does not say its frame rate.
        ValueError: The rate is not a number above 0, or the clip's persons are not tracked.

    Example:
        >>> x = np.arange(7.0, dtype=np.float32).reshape(1, 7, 1, 1)
        >>> clip = RawClip("mine", x, np.ones((7, 1), dtype=bool), -1, {}, fps=60.0)
        >>> resample_rate(clip, 30.0).x.ravel().tolist(), resample_rate(clip, 24.0).x.ravel().tolist()
        ([0.0, 2.0, 4.0, 6.0], [0.0, 2.5, 5.0])
    """
    check_positive(fps, name="fps")
    if clip.fps is None:
        raise ClipFormatError(clip.name, _NO_RATE)
    if clip.fps == fps:
        return clip
    if not clip.tracked:
        raise ValueError("clip: expected tracked persons, got places in each frame's list; use track_persons first")
    return at_rate(clip, fps)[0]


def at_rate(clip: RawClip, fps: float, *, start: int = 0) -> tuple[RawClip, int]:
    """A clip that begins at frame ``start`` of a recording, at another rate, and the frame at which it begins then.

    Frame i of the recording is read at ``i / fps`` seconds, so that all clips of a recording keep a common time.
    """
    if clip.fps is None:
        raise ClipFormatError(clip.name, _NO_RATE)
    t, ratio = clip.x.shape[1], clip.fps / fps
    begin = math.ceil(start / ratio - _ROUNDING)
    count = max(math.floor((start + t - 1) / ratio + _ROUNDING) - begin + 1, 0) if t else 0
    position = np.clip((begin + np.arange(count)) * ratio - start, 0, max(t - 1, 0))
    before = (position + _ROUNDING).astype(np.int64)
    after = np.minimum(before + 1, max(t - 1, 0))
    weight = np.clip(position - before, 0, 1).astype(np.float32)
    nearest = np.where(weight < 0.5, before, after)
    moved = clip._replace(
        x=_between(clip.x, clip.seen_joints, before, after, weight),
        seen=clip.seen[nearest],
        order=None if clip.order is None else clip.order[nearest],
        scores=None if clip.scores is None else clip.scores[nearest],
        fps=float(fps),
    )
    return moved, begin


def _between(
    x: NDArray[np.float32],
    seen: NDArray[np.bool_],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    weight: NDArray[np.float32],
) -> NDArray[np.float32]:
    left, right = x[:, before], x[:, after]
    first, second = seen[before], seen[after]
    share = np.where(first & second, weight[:, None, None], np.where(second, 1, 0)).astype(np.float32)
    # In this form a joint that does not move comes out exactly.
    mixed = left + share * (right - left)
    nearest = np.where((weight < 0.5)[:, None, None], first, second)
    return np.where(nearest, mixed, 0).astype(np.float32)
