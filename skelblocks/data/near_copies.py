"""Find clips that are the same recording twice, by their coordinates.

Axes: n samples, c channels, t frames, v joints, m persons; d = c * t * v * m coordinates of a resampled clip.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_integer, check_number
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.clip_dataset import ClipDataset
from skelblocks.data.steps.check_array import check_array
from skelblocks.data.steps.resample import clip_lengths, resample

_READ, _COMPARED, _CHECKED = 256, 2048, 4096  # clips read at once; clips of a block; pairs whose distance is taken
_SAMPLED, _DIRECTIONS = 256, 64
_SLACK = 1e-4  # of the squared size: more than float32 loses in a difference of squares


class NearCopies(NamedTuple):
    """Pairs of clips that are near copies, sorted by their places.

    Attributes:
        first: Place of one clip of each pair, int64 ``(pairs,)``.
        second: Place of the other clip.
        distance: How far apart they are, see :func:`near_copies`; 0 for equal clips.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.float64]


@explain_arguments
def near_copies(
    clips: NDArray[Any] | ClipDataset,
    other: NDArray[Any] | ClipDataset | None = None,
    *,
    threshold: float = 0.02,
    frames: int = 16,
) -> NearCopies:
    r"""Find pairs of clips whose coordinates are nearly the same.

    A test clip that is a copy of a training clip makes an accuracy too high. NW-UCLA has 95 clips of its third camera
    that are copies of clips of the second.

    Every clip is resampled to ``frames`` frames and moved so that the mean of its joints is the origin. The distance of
    the resampled clips :math:`a` and :math:`b` is relative to their size,
    :math:`\lVert a - b \rVert / \sqrt{(\lVert a \rVert^2 + \lVert b \rVert^2) / 2}`. So a copy is found although it is
    in another place of the room, is rounded, or has noise of 5 mm. A copy at 1.5 times the frame rate is usually found,
    one at half the frame rate often not. A clip that is mirrored, turned, rescaled or trimmed counts as another clip.

    Clips are compared by 64 principal directions first, which never makes a distance larger. Only pairs that are near
    by these are compared in full, so the result is exact.

    Args:
        clips: Clips ``(n, c, t, v, m)``, padded with zeros at the end of time; joints that are all zero are unseen. Or
            a data set of clips. Both may be mapped from disk.
        other: Clips with the same channels, joints and persons, to compare with. Default: the pairs within ``clips``.
        threshold: The largest distance of a near copy. The default is between the copies in NW-UCLA, which are at 0,
            and the most similar repetitions that one person performs: 0.03 in UTD-MHAD and HDM05, 0.12 in NW-UCLA.
        frames: Frames that are compared.

    Returns:
        The pairs: ``first`` are places in ``clips``, ``second`` places in ``other``, or in ``clips`` after ``first``.
        Clips in which no person is seen are in no pair.

    Raises:
        TypeError: Not an array of floating-point numbers, or ``frames`` is not an integer.
        ValueError: Wrong axes, coordinates that are not finite, clips of two skeletons, ``frames`` below 1, or a
            ``threshold`` that is negative or 1 and more.

    Example:
        >>> from skelblocks.data import synthetic_motion
        >>> clips = synthetic_motion(classes=3, subjects=2, views=1, frames=30).x.numpy()
        >>> clips[4] = clips[1] + 0.25 * (clips[1] != 0)  # the same motion in another place
        >>> found = near_copies(clips)
        >>> found.first, found.second
        (array([1]), array([4]))
    """
    check_integer(frames, name="frames")
    check_number(threshold, name="threshold")
    if threshold >= 1:
        raise ValueError(f"threshold: expected a number below 1, got {threshold}; unrelated clips differ by about 1")
    left = _features(clips, frames, name="clips")
    right = left if other is None else _features(other, frames, name="other")
    if left.shape[1:] != right.shape[1:]:
        raise ValueError(
            f"other: expected clips (c, v, m) = {_size(left)} like clips, got {_size(right)}; remap one set to the "
            "skeleton of the other"
        )
    flat_left, flat_right = (each.reshape(len(each), math.prod(each.shape[1:])) for each in (left, right))
    found = list(_pairs(flat_left, flat_right, threshold, within=other is None))
    first, second, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((second, first))
    return NearCopies(first[order], second[order], distance[order])


def _size(features: NDArray[np.float32]) -> tuple[int, ...]:
    return (features.shape[1], *features.shape[3:])


def _features(clips: NDArray[Any] | ClipDataset, frames: int, *, name: str) -> NDArray[np.float32]:
    """The clips ``(n, c, frames, v, m)``, each with the mean of its joints at the origin."""
    if not isinstance(clips, np.ndarray) and isinstance(clips, ClipDataset):
        n, (c, _, v, m) = len(clips), clips.shape
    else:
        check_array(clips, name=name)
        if clips.ndim != 5 or 0 in clips.shape[1:]:
            raise ValueError(f"{name}: expected 5 axes (n, c, t, v, m), none of the last empty, got {clips.shape}")
        n, c, _, v, m = clips.shape
    features = np.empty((n, c, frames, v, m), dtype=np.float32)
    for start in range(0, n, _READ):
        at_once = range(start, min(start + _READ, n))
        part = clips[at_once.start : at_once.stop] if isinstance(clips, np.ndarray) else clips.batch(at_once).numpy()
        features[at_once.start : at_once.stop] = _centered(part, frames, start=start, name=name)
    return features


def _centered(x: NDArray[Any], frames: int, *, start: int, name: str) -> NDArray[np.float64]:
    wrong = np.flatnonzero(~np.isfinite(x).all(axis=(1, 2, 3, 4)))
    if len(wrong):
        raise ValueError(
            f"{name}: expected finite coordinates, got NaN or infinity in clip {start + wrong[0]}; "
            "write unseen joints as zeros"
        )
    resampled = resample(x.astype(np.float64), frames, length=clip_lengths(x))
    seen = (resampled != 0).any(axis=1, keepdims=True)  # (n, 1, t, v, m)
    number = np.maximum(seen.sum(axis=(2, 3, 4), keepdims=True), 1)
    mean = resampled.sum(axis=(2, 3, 4), keepdims=True) / number
    return np.where(seen, resampled - mean, 0.0)


def _pairs(
    left: NDArray[np.float32], right: NDArray[np.float32], threshold: float, *, within: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Near pairs of rows, block by block; the first block comes without any, so that there is one."""
    yield np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    size_left, size_right = ((x.astype(np.float64) ** 2).sum(axis=1) for x in (left, right))
    directions = _directions(left)
    short_left = _extended(left @ directions, size_left, threshold)
    short_right = _extended(right @ directions, size_right, threshold)
    short_left[:, :-2] *= 2
    short_right[:, -2:] = short_right[:, [-1, -2]]
    for a in range(0, len(left), _COMPARED):
        for b in range(a if within else 0, len(right), _COMPARED):
            near = short_left[a : a + _COMPARED] @ short_right[b : b + _COMPARED].T >= 0
            near[size_left[a : a + _COMPARED] == 0] = False
            near[:, size_right[b : b + _COMPARED] == 0] = False
            first, second = np.nonzero(near)
            first, second = first + a, second + b
            if within:
                first, second = first[first < second], second[first < second]
            for start in range(0, len(first), _CHECKED):
                i, j = first[start : start + _CHECKED], second[start : start + _CHECKED]
                difference = left[i].astype(np.float64) - right[j]
                distance = np.sqrt((difference**2).sum(axis=1) / ((size_left[i] + size_right[j]) / 2))
                close = distance <= threshold
                yield i[close], j[close], distance[close]


def _directions(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Orthonormal directions ``(d, k)`` in which a sample of the rows varies most."""
    chosen = np.unique(np.linspace(0, max(len(rows) - 1, 0), min(len(rows), _SAMPLED)).astype(np.int64))
    sample = rows[chosen].astype(np.float64)
    _, vectors = np.linalg.eigh(sample @ sample.T)
    axes, _ = np.linalg.qr(sample.T @ vectors[:, -_DIRECTIONS:])
    return axes.astype(np.float32)


def _extended(short: NDArray[np.float32], size: NDArray[np.float64], threshold: float) -> NDArray[np.float32]:
    r"""Rows with two more columns, so that one product of matrices tells whether two rows may be near.

    With :math:`r_a = (t^2 / 2) size_a - aa`, rows a and b may be near at the threshold t where
    :math:`2 ab + r_a + r_b \ge 0`.
    """
    rest = (threshold**2 + _SLACK) / 2 * size - (short.astype(np.float64) ** 2).sum(axis=1)
    return np.concatenate([short, rest[:, None], np.ones((len(short), 1))], axis=1).astype(np.float32)
