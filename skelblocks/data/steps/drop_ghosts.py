"""Drop ghosts: things that a pose estimator mistakes for a person for a moment.

Axes: t frames, b places in a frame's list, d detections, c coordinates, v joints, k tracks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_integer, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.steps.body_sizes import body_sizes
from skelblocks.data.steps.follow_persons import renumber_tracks, skeleton_of
from skelblocks.layouts import SkeletonLayout


@explain_arguments
def drop_ghosts(
    clip: RawClip,
    tracks: NDArray[np.int64],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
    least_frames: int = 8,
    least_size: float = 0.3,
    least_score: float = 0.4,
) -> NDArray[np.int64]:
    """Drop tracks that are short, small, or of a low score beside the others of the recording.

    The rules act in this order, each on what the one before has left. The defaults are this library's choice. In real
    recordings by OpenPose and AlphaPose, ghosts had at most 4 frames, or a fifth of the score of the main person.

    Args:
        clip: The raw clip.
        tracks: ``(t, b)``, the number of each detection's person, -1 for no person, as
            :func:`~skelblocks.data.follow_persons` gives it.
        layout: The skeleton. Default: the clip's own.
        least_frames: A track with fewer frames is dropped: 8, a quarter of a second. In a recording of fewer than 16
            frames, half of its frames are enough.
        least_size: A track is dropped whose body is smaller than this share of the largest one: 0.3. The size is the
            median torso length in the unit of the coordinates.
        least_score: A track is dropped whose score is below this share of the best one: 0.4. The score is the mean
            over frames and joints of the estimator's confidence, zero for joints that are not seen. Where the file has
            none, each joint that is seen counts 1.

    Returns:
        ``(t, b)``: the tracks that are left, numbered from 0 in the order of their first frames; -1 for all others.

    Raises:
        TypeError: ``clip`` is not a RawClip, or ``least_frames`` is not an integer.
        ValueError: Another shape, a number out of range, or no layout.

    Example:
        >>> from skelblocks.data import follow_persons
        >>> x = np.zeros((2, 40, 17, 2), dtype=np.float32)
        >>> x[:] = np.random.default_rng(0).uniform(0, 100, (2, 1, 17, 1))
        >>> seen = np.ones((40, 17, 2), dtype=bool)
        >>> x[..., 1], seen[:, :, 1] = x[..., 1] + 300, False
        >>> seen[20:23, :, 1] = True  # another person, for three frames
        >>> clip = RawClip("mine", x, seen, -1, {}, layout="coco-17", tracked=False)
        >>> tracks = follow_persons(clip)
        >>> int(tracks.max()), int(drop_ghosts(clip, tracks).max())
        (1, 0)
    """
    if not isinstance(clip, RawClip):
        raise TypeError(f"clip: expected a RawClip, got {type(clip).__name__}")
    check_integer(least_frames, name="least_frames", least=0)
    check_probability(least_size, name="least_size")
    check_probability(least_score, name="least_score")
    if not isinstance(tracks, np.ndarray) or tracks.shape != clip.seen_persons.shape:
        raise ValueError(
            f"tracks: expected an array (t, b) = {clip.seen_persons.shape} like the clip's persons, got "
            f"{getattr(tracks, 'shape', type(tracks).__name__)}; compute them with follow_persons(clip)"
        )
    frame, place = np.nonzero(tracks >= 0)  # (d,)
    if not len(frame):
        return renumber_tracks(tracks)
    track = tracks[frame, place]
    x = clip.x.transpose(1, 3, 0, 2)[frame, place].astype(np.float64)
    seen = clip.seen_joints.transpose(0, 2, 1)[frame, place]
    scores = seen if clip.scores is None else clip.scores.transpose(0, 2, 1)[frame, place]
    count = np.bincount(track)  # (k,)
    stays = count >= min(least_frames, (len(tracks) + 1) // 2)
    size = _medians(body_sizes(x, seen, layout=skeleton_of(clip, layout)), track, len(count))
    score = np.bincount(track, weights=np.where(seen, scores, 0).mean(axis=1)) / np.maximum(count, 1)
    for value, least in ((size, least_size), (score, least_score)):
        if stays.any():
            stays &= value >= least * value[stays].max()
    left: NDArray[np.int64] = tracks.copy()
    left[frame, place] = np.where(stays[track], track, -1)
    return renumber_tracks(left)


def _medians(values: NDArray[np.float64], group: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The median of the values in each of ``count`` groups; 0 for an empty one."""
    medians = np.zeros(count)
    order = np.argsort(group, kind="stable")
    for one in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        medians[group[one[0]]] = np.median(values[one])
    return medians
