"""Remove bodies that are not persons: furniture, reflections, and pieces of one person under several ids.

Axes: c coordinates, t frames, v joints, b bodies, m persons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.steps.choose_bodies import check_clip, file_order


@explain_arguments
def drop_short_bodies(clip: RawClip, *, frames: int = 11) -> RawClip:
    """Leave out bodies that are seen in few frames.

    Args:
        clip: The raw clip.
        frames: A body that is seen in this number of frames or fewer is left out; 11 in the released preprocessing of
            PYSKL.

    Returns:
        The clip with the other bodies, maybe none, in their order.

    Raises:
        ValueError: ``frames`` below 0, or arrays that do not belong together.

    Example:
        >>> seen = np.arange(20)[:, None] < [20, 11, 12]
        >>> drop_short_bodies(RawClip("", np.ones((3, 20, 25, 3)), seen, -1, {})).seen.sum(axis=0)
        array([20, 12])
    """
    check_clip(clip)
    if frames < 0:
        raise ValueError(f"frames: expected an integer >= 0, got {frames}")
    return _keep(clip, clip.seen_persons.sum(axis=0) > frames)


@explain_arguments
def drop_wide_bodies(clip: RawClip, *, ratio: float = 0.8, share: float = 0.69754) -> RawClip:
    """Leave out bodies that are mostly wider than a person is.

    A frame of a body is wide where its extent along the first coordinate is more than ``ratio`` times that along the
    second.

    Args:
        clip: The raw clip; the second coordinate is the vertical.
        ratio: Of width to height; 0.8 in the released preprocessing of PYSKL.
        share: A body is left out where at least this share of the frames in which it is seen are wide; 0.69754 there.

    Returns:
        The clip with the other bodies, maybe none, in their order.

    Raises:
        ValueError: ``ratio`` below 0, ``share`` outside (0, 1], fewer than two coordinates, or arrays that do not
            belong together.

    Example:
        >>> x = np.zeros((3, 20, 2, 2))
        >>> x[:2, :, 0, 0], x[:2, :, 0, 1] = [[0.5], [1.7]], [[1.0], [0.4]]  # a person, a table
        >>> drop_wide_bodies(RawClip("", x, np.ones((20, 2), dtype=bool), -1, {})).x[1, 0, 0]
        array([1.7])
    """
    wide = _wide(clip, ratio)
    if not 0 < share <= 1:
        raise ValueError(f"share: expected a share in (0, 1], got {share}")
    frames = clip.seen_persons.sum(axis=0)
    # The form of the released preprocessing: rounding decides at the very bound.
    return _keep(clip, (frames == 0) | (1 - (frames - wide.sum(axis=0)) / np.maximum(frames, 1) < share))


@explain_arguments
def merge_bodies(clip: RawClip, *, persons: int = 2, ratio: float = 0.8) -> RawClip:
    r"""Join bodies that are seen one after the other into persons, those that move most first.

    The motion of a body, over the frames in which it is seen and its joints together, is

    .. math:: M_b = \sum_c \operatorname{var}_{t \in seen_b, v} x_{c t v b}

    or the same over the frames that are not wide (see :func:`drop_wide_bodies`), where that is less. From the greatest
    motion on, each body becomes part of the first person whose time, from its first to its last frame, it does not
    touch; one that touches everybody's is left out. Of two persons, the one who is seen first comes first.

    So does the released preprocessing of PYSKL, with another clock: it skips frames without bodies, and closes the gaps
    in which a body is lost, whereby its frames come too early. Here every frame stays in its place.

    Args:
        clip: The raw clip.
        persons: How many at most, m; 2 there.
        ratio: Of width to height.

    Returns:
        The clip with persons for bodies, at most ``persons``.

    Raises:
        ValueError: ``persons`` below 1, ``ratio`` below 0, or arrays that do not belong together.

    Example:
        >>> seen = np.arange(20)[:, None] < [[8, 20]]
        >>> seen = np.concatenate((seen, ~seen[:, :1]), axis=1)  # the third body is the first one, with another id
        >>> merge_bodies(RawClip("", np.ones((3, 20, 25, 3)), seen, -1, {})).seen.all(axis=0)
        array([ True,  True])
    """
    wide = _wide(clip, ratio)
    if persons < 1:
        raise ValueError(f"persons: expected an integer >= 1, got {persons}")
    present = clip.seen_persons
    there = np.flatnonzero(present.any(axis=0))
    motion = [_motion(clip.x[..., b], clip.seen[..., b], wide[:, b]) for b in there]
    groups: list[list[int]] = []
    times: list[tuple[int, int]] = []
    for body in there[np.argsort(-np.array(motion), kind="stable")].tolist():
        sight = np.flatnonzero(present[:, body])
        start, end = int(sight[0]), int(sight[-1]) + 1
        for person, (first, last) in enumerate(times):
            if max(first, start) >= min(last, end):
                groups[person].append(body)
                times[person] = min(first, start), max(last, end)
                break
        else:
            if len(groups) < persons:
                groups.append([body])
                times.append((start, end))
    if len(groups) == 2 and times[0][0] > times[1][0]:
        groups.reverse()
    order = file_order(clip)
    x = np.zeros((*clip.x.shape[:3], len(groups)), dtype=clip.x.dtype)
    joints = np.zeros((*clip.seen.shape[:-1], len(groups)), dtype=np.bool_)
    scores = None if clip.scores is None else np.zeros(x.shape[1:], dtype=clip.scores.dtype)
    merged = np.full((clip.x.shape[1], len(groups)), -1, dtype=np.int64)
    for person, group in enumerate(groups):
        for body in group:
            seen = present[:, body]
            x[:, seen, :, person] = clip.x[:, seen, :, body]
            joints[seen, ..., person] = clip.seen[seen, ..., body]
            if scores is not None and clip.scores is not None:
                scores[seen, :, person] = clip.scores[seen, :, body]
            merged[seen, person] = order[seen, body]
    return clip._replace(x=x, seen=joints, order=merged, scores=scores)


@explain_arguments
def denoise_bodies(
    clip: RawClip, *, persons: int = 2, frames: int = 11, ratio: float = 0.8, share: float = 0.69754
) -> RawClip:
    """Drop short bodies, drop wide ones, merge the rest: the released preprocessing of PYSKL for NTU RGB+D.

    As in PYSKL, a body that is alone, from the start or after the short ones are gone, is a person whatever its shape.
    2s-AGCN drops nothing; it only chooses by energy, see :func:`~skelblocks.data.choose_bodies`.

    Args:
        clip: The raw clip.
        persons: For :func:`merge_bodies`.
        frames: For :func:`drop_short_bodies`.
        ratio: For :func:`drop_wide_bodies` and :func:`merge_bodies`.
        share: For :func:`drop_wide_bodies`.

    Returns:
        The clip with persons for bodies, at most ``persons``. There are none where all of several bodies are short or
        wide; PYSKL fails there.

    Raises:
        ValueError: As those three do.

    Example:
        >>> seen = np.arange(20)[:, None] < [20, 5]
        >>> denoise_bodies(RawClip("", np.ones((3, 20, 25, 2)), seen, -1, {})).x.shape
        (3, 20, 25, 1)
    """
    check_clip(clip)
    if clip.x.shape[3] > 1:
        clip = drop_short_bodies(clip, frames=frames)
    if clip.x.shape[3] > 1:
        clip = drop_wide_bodies(clip, ratio=ratio, share=share)
    return merge_bodies(clip, persons=persons, ratio=ratio)


def _keep(clip: RawClip, kept: NDArray[np.bool_]) -> RawClip:
    order = file_order(clip)
    scores = None if clip.scores is None else clip.scores[..., kept]
    return clip._replace(x=clip.x[..., kept], seen=clip.seen[..., kept], order=order[:, kept], scores=scores)


def _wide(clip: RawClip, ratio: float) -> NDArray[np.bool_]:
    """``(t, b)``: seen, and wide."""
    check_clip(clip)
    if not ratio >= 0:
        raise ValueError(f"ratio: expected a number >= 0, got {ratio}")
    if clip.x.shape[0] < 2:
        raise ValueError(f"clip.x: expected at least 2 coordinates, got shape {clip.x.shape}")
    plane = clip.x[:2]
    if clip.seen.ndim == 3:  # where a joint is not seen, the first one that is
        first = clip.seen.argmax(axis=1)[None, :, None]
        plane = np.where(clip.seen, plane, np.take_along_axis(plane, first, axis=2))
    width, height = np.ptp(plane, axis=2)
    wide: NDArray[np.bool_] = clip.seen_persons & (width > ratio * height)
    return wide


def _motion(x: NDArray[np.float32], seen: NDArray[np.bool_], wide: NDArray[np.bool_]) -> float:
    """The motion of one body ``(c, t, v)``, which is seen in frames ``(t,)``, or whose joints are seen ``(t, v)``."""
    narrow = seen & ~(wide if seen.ndim == 1 else wide[:, None])
    choices = [there for there in (seen, narrow) if there.any()]
    return min(float(x[:, there].reshape(len(x), -1).var(axis=1, dtype=np.float64).sum()) for there in choices)
