"""Resampling in time: clips of any length to the same number of frames.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks._utils.checks import check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.data.steps.check_array import check_array

_CHUNK = 512  # clips read at once: bounds the copy of a set that is mapped from disk


@explain_arguments
def clip_lengths(x: NDArray[Any]) -> NDArray[np.int64]:
    """Frames up to the last one in which a person is seen, at least 1: the length of zero-padded clips.

    The released preprocessing counts the frames in which joint 0 of the first body is not zero, and so cuts the end off
    a clip with an inner gap; this does not.

    Args:
        x: Clips ``(n, c, t, v, m)``, padded with zeros at the end of time.

    Returns:
        ``(n,)``.

    Example:
        >>> x = np.zeros((1, 3, 10, 25, 2))
        >>> x[:, :, [0, 1, 4]] = 1  # frames 2 and 3 are lost, 5 to 9 are padding
        >>> clip_lengths(x)
        array([5])
    """
    _check_clips(x)
    seen = (x != 0).any(axis=(1, 3, 4))  # (n, t)
    last = x.shape[2] - seen[:, ::-1].argmax(axis=1)
    return np.where(seen.any(axis=1), last, 1).astype(np.int64)


@explain_arguments
def resample(x: NDArray[Any], frames: int, *, length: ArrayLike | None = None) -> NDArray[Any]:
    r"""Stretch or shrink every clip to ``frames`` frames by linear interpolation.

    Frame i of the output is read at :math:`\max\big(0, (i + \tfrac12) \tfrac{length}{frames} - \tfrac12\big)` of the
    input, held at the last frame: what ``torch.nn.functional.interpolate(mode="linear", align_corners=False)`` gives,
    and within rounding the image resize that the released preprocessing uses, to 50 or 64 frames.

    Between a frame with a person and one without, the interpolation passes through zero, as in the
    released preprocessing.

    Args:
        x: Clips ``(n, c, t, v, m)`` of floating-point numbers; may be mapped from disk.
        frames: Number of frames to make.
        length: How many of its t frames each clip has, ``(n,)`` or one number for all; the rest is not looked at.
            Default: all t. See :func:`clip_lengths`.

    Returns:
        ``(n, c, frames, v, m)``, same dtype.

    Raises:
        TypeError: ``x`` is not an array of floating-point numbers, or ``frames`` or ``length`` are not of integers.
        ValueError: Wrong axes, ``frames`` below 1, or a length outside 1..t.

    Example:
        >>> x = np.arange(4.0).reshape(1, 1, 4, 1, 1)
        >>> resample(x, 2).ravel(), resample(x, 4, length=2).ravel()
        (array([0.5, 2.5]), array([0.  , 0.25, 0.75, 1.  ]))
    """
    _check_clips(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"x: expected floating-point numbers, got {x.dtype}")
    check_integer(frames, name="frames")
    n, _, t, _, _ = x.shape
    lengths = check_lengths(t if length is None else length, n, t)[:, None]

    position = np.maximum((np.arange(frames) + 0.5) * (lengths / frames) - 0.5, 0)  # (n, frames)
    before = np.minimum(position.astype(np.int64), lengths - 1)
    after = np.minimum(before + 1, lengths - 1)
    weight = (position - before).astype(x.dtype)[:, :, None, None, None]
    out = np.empty((n, x.shape[1], frames, *x.shape[3:]), dtype=x.dtype)
    for start in range(0, n, _CHUNK):
        rows = slice(start, start + _CHUNK)
        by_frame = x[rows].swapaxes(1, 2)  # (chunk, t, c, v, m)
        clip = np.arange(len(by_frame))[:, None]
        left, right = by_frame[clip, before[rows]], by_frame[clip, after[rows]]
        # In this form a pose that is held comes out exactly.
        out[rows] = (left + weight[rows] * (right - left)).swapaxes(1, 2)
    return out


def resample_mask(seen: NDArray[np.bool_], frames: int, *, length: ArrayLike | None = None) -> NDArray[np.bool_]:
    """Which joints are seen in clips after :func:`resample`: those seen in the nearest frame of the input.

    Args:
        seen: ``(n, t, v, m)``, true where the joint is seen.
        frames: Number of frames to make.
        length: How many of its t frames each clip has, as for :func:`resample`.

    Returns:
        ``(n, frames, v, m)``.

    Raises:
        TypeError: ``seen`` is not an array of booleans, or ``frames`` or ``length`` are not of integers.
        ValueError: Wrong axes, ``frames`` below 1, or a length outside 1..t.

    Example:
        >>> seen = np.array([True, False, False, True]).reshape(1, 4, 1, 1)
        >>> resample_mask(seen, 8).ravel().astype(int)
        array([1, 1, 0, 0, 0, 0, 1, 1])
    """
    if not isinstance(seen, np.ndarray) or seen.dtype != np.bool_:
        raise TypeError(f"seen: expected a boolean numpy array, got {getattr(seen, 'dtype', type(seen).__name__)}")
    if seen.ndim != 4:
        raise ValueError(f"seen: expected 4 axes (n, t, v, m), got shape {seen.shape}")
    check_integer(frames, name="frames")
    n, t = seen.shape[:2]
    lengths = check_lengths(t if length is None else length, n, t)[:, None]
    nearest = ((np.arange(frames) + 0.5) * (lengths / frames)).astype(np.int64)  # (n, frames)
    return np.take_along_axis(seen, np.minimum(nearest, lengths - 1)[:, :, None, None], axis=1)


def check_lengths(lengths: ArrayLike, n: int, t: int) -> NDArray[np.int64]:
    """One length for each of ``n`` clips of ``t`` frames, given as one number or as ``(n,)``."""
    values = np.asarray(lengths)
    if not np.issubdtype(values.dtype, np.integer):
        raise TypeError(f"length: expected integers, got {values.dtype}")
    if values.ndim > 1 or (values.ndim == 1 and len(values) != n):
        raise ValueError(f"length: expected one number or one per clip, shape ({n},), got shape {values.shape}")
    values = np.broadcast_to(values, n)
    wrong = np.flatnonzero((values < 1) | (values > t))
    if len(wrong):
        raise ValueError(f"length: expected 1..{t}, the frames of x, got {values[wrong[0]]} for clip {wrong[0]}")
    return values.astype(np.int64)


def _check_clips(x: NDArray[Any]) -> None:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x: expected a numpy array, got {type(x).__name__}; pass numpy.asarray(x)")
    if isinstance(x, np.ma.MaskedArray):
        check_array(x)
    if x.ndim != 5:
        raise ValueError(f"x: expected 5 axes (n, c, t, v, m), got shape {x.shape}")
