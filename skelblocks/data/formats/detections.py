"""Make a clip from the persons that a pose estimator found in each frame.

Axes: n detections, c coordinates, t frames, v joints, b persons.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips.raw_clip import ClipFormatError, RawClip
from skelblocks.layouts import SkeletonLayout

MOST_FRAMES = 1 << 20  # 9 hours at 30 frames per second
_LARGEST_VALUE = 1e30
_SMALLEST_LIMIT = 1 << 27  # numbers; a clip may have this many, or 16 for each number in its file


class PoseOptions(NamedTuple):
    """What the caller of a reader knows about the files.

    Attributes:
        layout: The skeleton. None: by the format and the number of joints.
        image_size: Width and height of the picture in pixels.
        fps: Frames per second.
        min_score: A joint with a lower score counts as unseen. None: the default of the format.
    """

    layout: SkeletonLayout | None = None
    image_size: tuple[float, float] | None = None
    fps: float | None = None
    min_score: float | None = None


class Detections(NamedTuple):
    """Persons in frames, one row each, in the order of the file.

    Attributes:
        frame: ``(n,)`` frame numbers from 0, ascending or not.
        joints: ``(n, v, c)``, NaN where the file has nothing.
        seen: ``(n, v)``.
        scores: ``(n, v)``. None if the file has none.
        ids: ``(n,)`` ids of the persons. None if the file has none.
        frames: Number of frames, with those that have no persons.
    """

    frame: NDArray[np.int64]
    joints: NDArray[np.float64]
    seen: NDArray[np.bool_]
    scores: NDArray[np.float64] | None
    ids: NDArray[np.int64] | None
    frames: int


def to_clip(
    found: Detections, *, path: Path, name: str, layout: str | SkeletonLayout | None, fps: float | None = None
) -> RawClip:
    """Assign each person a place in a clip.

    A person with an id keeps one place throughout; if a frame lists an id twice, ids are ignored. A person without an
    id has the place of its rank in the frame's list.

    Args:
        found: The persons.
        path: Named in errors.
        name: Name of the clip.
        layout: The skeleton.
        fps: Frames per second.

    Returns:
        The clip, zero where a joint is not seen.

    Raises:
        ClipFormatError: A number is infinite or too large, there is no frame, or the clip would be far larger than its
            file.

    Example:
        >>> found = Detections(np.array([0, 2]), np.ones((2, 17, 2)), np.ones((2, 17), bool), None, None, 3)
        >>> clip = to_clip(found, path=Path("a.json"), name="a", layout="coco-17")
        >>> clip.x.shape, clip.seen_persons[:, 0], clip.tracked
        ((2, 3, 17, 1), array([ True, False,  True]), False)
    """
    n, v, c = found.joints.shape
    if found.frames < 1:
        raise ClipFormatError(path, "expected at least one frame, got none")
    if found.frames > MOST_FRAMES:
        raise ClipFormatError(
            path,
            f"expected frame numbers of one recording, at most {MOST_FRAMES} frames apart, got {found.frames} frames; "
            "number the frames without gaps, or cut the recording",
        )
    rank = _ranks(found.frame)
    place, tracked = _places(found, rank)
    persons = int(place.max(initial=-1)) + 1
    _check_size(path, found.frames, v, c, persons, n)
    seen = found.seen & np.isfinite(found.joints).all(axis=2)
    _check_values(path, found, seen)
    x = np.zeros((c, found.frames, v, persons), dtype=np.float32)
    mask = np.zeros((found.frames, v, persons), dtype=np.bool_)
    mask[found.frame, :, place] = seen
    x[:, found.frame, :, place] = np.where(seen[..., None], found.joints, 0).swapaxes(1, 2)
    scores = None
    if found.scores is not None:
        scores = np.zeros(mask.shape, dtype=np.float32)
        scores[found.frame, :, place] = np.where(seen, found.scores, 0)
    order = None
    if tracked:
        order = np.full((found.frames, persons), -1, dtype=np.int64)
        order[found.frame, place] = rank
        order[~mask.any(axis=1)] = -1
    return RawClip(name, x, mask, -1, {}, order, scores, layout, fps, tracked)


def _ranks(frame: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank of each detection within its frame, in the order of the file."""
    order = np.argsort(frame, kind="stable")
    ordered = frame[order]
    first = np.searchsorted(ordered, ordered, side="left")
    rank = np.empty(len(frame), dtype=np.int64)
    rank[order] = np.arange(len(frame)) - first
    return rank


def _places(found: Detections, rank: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """The place of each detection in the clip, and whether it is the person's own."""
    if found.ids is None or not len(found.ids):
        return rank, False
    if len(np.unique(np.stack([found.frame, found.ids]), axis=1).T) != len(found.ids):
        return rank, False
    _, first, inverse = np.unique(found.ids, return_index=True, return_inverse=True)
    appearance = np.empty(len(first), dtype=np.int64)
    appearance[np.argsort(found.frame[first] * (rank.max() + 1) + rank[first])] = np.arange(len(first))
    return appearance[inverse.reshape(-1)], True


def _check_size(path: Path, t: int, v: int, c: int, b: int, n: int) -> None:
    numbers, limit = t * v * c * b, max(_SMALLEST_LIMIT, 16 * n * v * c)
    if numbers > limit:
        raise ClipFormatError(
            path,
            f"expected a clip of at most {limit} numbers for {n} persons found in its frames, got {numbers} for {t} "
            f"frames, {v} joints and {b} persons; cut the recording, or leave out the frames with a crowd",
        )


def _check_values(path: Path, found: Detections, seen: NDArray[np.bool_]) -> None:
    wrong = np.isinf(found.joints).any(axis=2) | (seen & (np.abs(found.joints) > _LARGEST_VALUE).any(axis=2))
    if found.scores is not None:
        wrong |= np.isinf(found.scores) | (seen & (np.abs(found.scores) > _LARGEST_VALUE))
    if wrong.any():
        row, joint = np.argwhere(wrong)[0]
        raise ClipFormatError(
            path,
            f"frame {found.frame[row]}, joint {joint}: expected finite numbers, got one that is infinite or too large",
        )
