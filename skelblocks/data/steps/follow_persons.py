"""Track the persons that a pose estimator lists frame by frame through a recording.

Axes: t frames, b places in a frame's list, d detections, c coordinates, v joints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks._utils.checks import check_integer, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.steps.body_sizes import body_sizes
from skelblocks.data.steps.match_pairs import match_pairs
from skelblocks.layouts import SkeletonLayout

_FEWEST_JOINTS = 3  # that two detections must share before their distance means anything
_RECENT = 5  # frames of a track that say where its joints were last
_UNSHARED = 0.5  # what a joint that only one of two detections shows counts, as a share of the largest distance
_AT_ONCE = 1 << 18  # pairs of detections; bounds the memory
_FASTEST = 15.0  # torso lengths per second, about 7 meters


class _Poses(NamedTuple):
    """Detections, or what is known of tracks at one of their ends: coordinates, joints, frames, and torso lengths."""

    x: NDArray[np.float64]  # (d, c, v)
    seen: NDArray[np.bool_]  # (d, v)
    frame: NDArray[np.int64]  # (d,), ascending
    size: NDArray[np.float64]  # (d,)


@explain_arguments
def follow_persons(
    clip: RawClip,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
    gate: float | None = None,
    max_gap: int = 30,
) -> NDArray[np.int64]:
    r"""Number the persons of a recording whose file gives no ids.

    The distance of two detections is the mean distance of their joints, in torso lengths. Estimators exchange left and
    right for a frame or two, so that a joint may be met by its mirror image. With the joints S that both show and the
    joints U that at least one shows:

    .. math:: d(i, j) = \frac{1}{|U|} \Big( \sum_{v \in S} \min_{w \in \{v, \bar v\}}
        \frac{\lVert x_{iv} - x_{jw} \rVert}{(s_i + s_j) / 2} + \frac{\text{gate}}{2} |U \setminus S| \Big)

    The second term prefers a whole body to a few joints of it. First the detections of neighboring frames are linked by
    minimal-cost assignment. Then the pieces that this leaves are joined in the same way across the frames in which a
    person was not found. Over a gap of g frames the largest distance is ``gate * sqrt(g)``. To end a track costs as
    much as the largest distance.

    Args:
        clip: The raw clip. With ``clip.tracked`` the file's own ids are used, and nothing is computed.
        layout: The skeleton, by whose bones a torso length is estimated. Default: the clip's own.
        gate: The largest mean distance between neighboring frames, in torso lengths. Default: 0.5, which at 30 frames a
            second is about 7 meters per second, and more for a clip of fewer frames per second: ``15 / clip.fps``. This
            library's choice.
        max_gap: How many frames a person may be lost and still be the same one. Default: 30, one second; this library's
            choice.

    Returns:
        ``(t, b)``: the number of each detection's person, from 0 in the order of their first frames; -1 where no person
        is seen.

    Raises:
        ImportError: Scipy is not installed.
        TypeError: ``clip`` is not a RawClip, or ``max_gap`` is not an integer.
        ValueError: A number out of range, or no layout, or one with another number of joints.

    Example:
        >>> x = np.zeros((2, 3, 17, 2), dtype=np.float32)
        >>> x[:] = np.random.default_rng(0).uniform(0, 100, (2, 1, 17, 1))
        >>> x[0, :, :, 1] += 300
        >>> x[:, 1] = x[:, 1, :, ::-1]  # the second frame lists them the other way around
        >>> seen = np.ones((3, 17, 2), dtype=bool)
        >>> follow_persons(RawClip("two", x, seen, -1, {}, layout="coco-17", tracked=False))
        array([[0, 1],
               [1, 0],
               [0, 1]])
    """
    if not isinstance(clip, RawClip):
        raise TypeError(f"clip: expected a RawClip, got {type(clip).__name__}")
    check_integer(max_gap, name="max_gap", least=0)
    if gate is None:
        gate = max(0.5, _FASTEST / clip.fps) if clip.fps else 0.5
    check_positive(gate, name="gate")
    seen, there = clip.seen_joints, clip.seen_persons
    tracks = np.full(there.shape, -1, dtype=np.int64)
    if clip.tracked or there.shape[1] == 0:
        tracks[there] = np.nonzero(there)[1]
        return renumber_tracks(tracks)
    skeleton = skeleton_of(clip, layout)
    frame, place = np.nonzero(there)  # (d,), in the order of the frames
    x = clip.x.transpose(1, 3, 0, 2)[frame, place].astype(np.float64)  # (d, c, v)
    joints = seen.transpose(0, 2, 1)[frame, place]  # (d, v)
    found = _Poses(x, joints, frame, body_sizes(x, joints, layout=skeleton))
    swap = np.array(skeleton.swap)
    everything = np.arange(len(frame))
    follower = np.full(len(frame), -1, dtype=np.int64)  # the next detection of the same person
    leader = follower.copy()
    _link(follower, everything, everything, found, leader=leader, swap=swap, gate=gate, gap=1)
    if max_gap:
        linked = np.flatnonzero(follower >= 0)
        leader[follower[linked]] = linked
        ends, starts = np.flatnonzero(follower < 0), np.flatnonzero(leader < 0)
        _link(follower, ends, starts, found, leader=leader, swap=swap, gate=gate, gap=max_gap + 1)
    tracks[frame, place] = _numbers(follower)
    return renumber_tracks(tracks)


def _ranges(first: NDArray[np.int64], last: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs ``(i, j)`` with ``first[i] <= j < last[i]`` in chunks. All pairs of one i are in the same chunk."""
    count = last - first
    total = np.cumsum(count)
    start = 0
    while start < len(count):
        before = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + _AT_ONCE, side="right")))
        some = count[start:stop]
        i = np.repeat(np.arange(start, stop), some)
        within = np.arange(len(i)) - np.repeat(np.cumsum(some) - some, some)
        yield i, first[i] + within
        start = stop


def _distance(
    a: _Poses,
    i: NDArray[np.int64],
    b: _Poses,
    j: NDArray[np.int64],
    swap: NDArray[np.int64],
    reach: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How far poses ``i`` of ``a`` are from ``j`` of ``b``, in ``reach``, ``(p,)``; infinite for too few joints."""
    x, y, seen, other = a.x[i], b.x[j], a.seen[i], b.seen[j]
    shared = seen & other
    count, union = shared.sum(axis=1), (seen | other).sum(axis=1)
    near = np.minimum(
        np.where(shared, _lengths(x - y), np.inf),
        np.where(seen & other[:, swap], _lengths(x - y[:, :, swap]), np.inf),
    )
    total = np.where(shared, near, 0).sum(axis=1) / reach + _UNSHARED * (union - count)
    enough = count >= min(_FEWEST_JOINTS, x.shape[2])
    return np.where(enough, total / np.maximum(union, 1), np.inf)


def _lengths(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.einsum("pcv,pcv->pv", x, x)))


def _link(
    follower: NDArray[np.int64],
    ends: NDArray[np.int64],
    starts: NDArray[np.int64],
    found: _Poses,
    *,
    leader: NDArray[np.int64],
    swap: NDArray[np.int64],
    gate: float,
    gap: int,
) -> None:
    """Join ends of tracks with starts that follow within ``gap`` frames."""
    last, first = _poses(ends, leader, found), _poses(starts, follower, found)
    lower = np.searchsorted(first.frame, last.frame + 1)
    upper = np.searchsorted(first.frame, last.frame + gap, side="right")
    rows, columns, costs = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for i, j in _ranges(lower, upper):
        reach = gate * np.sqrt(first.frame[j] - last.frame[i]) * (last.size[i] + first.size[j]) / 2
        cost = _distance(last, i, first, j, swap, reach)
        near = cost < 1
        rows.append(ends[i[near]])
        columns.append(starts[j[near]])
        costs.append(cost[near])
    row, column = np.concatenate(rows), np.concatenate(columns)
    chosen = match_pairs(row, column, np.concatenate(costs))
    follower[row[chosen]] = column[chosen]


def _poses(begin: NDArray[np.int64], following: NDArray[np.int64], found: _Poses) -> _Poses:
    """The poses at one end of the pieces; a joint that is not seen there is where it is a few frames from there."""
    x, seen, at = found.x[begin].copy(), found.seen[begin].copy(), begin
    for _ in range(_RECENT - 1):
        step = following[at]
        at = np.where(step >= 0, step, at)
        more = found.seen[at] & ~seen
        x = np.where(more[:, None], found.x[at], x)
        seen |= more
    return _Poses(x, seen, found.frame[begin], found.size[begin])


def _numbers(follower: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each chain of detections."""
    number = np.full(len(follower), -1, dtype=np.int64)
    count = 0
    for detection, following in enumerate(follower.tolist()):  # a chain only goes forward
        if number[detection] < 0:
            number[detection] = count
            count += 1
        if following >= 0:
            number[following] = number[detection]
    return number


def renumber_tracks(tracks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tracks of an array ``(t, b)``, numbered in the order of their first frames."""
    known = tracks[tracks >= 0]
    names, first = np.unique(known, return_index=True)
    rank = np.zeros(int(known.max()) + 1 if len(known) else 0, dtype=np.int64)
    rank[names[np.argsort(first)]] = np.arange(len(names))
    renumbered: NDArray[np.int64] = tracks.copy()
    renumbered[tracks >= 0] = rank[known]
    return renumbered


def skeleton_of(clip: RawClip, layout: str | Mapping[str, Any] | SkeletonLayout | None) -> SkeletonLayout:
    """The layout passed, or the clip's own; it must have the clip's number of joints."""
    chosen = clip.layout if layout is None else layout
    if chosen is None:
        raise ValueError("layout: expected a skeleton, for the clip names none; pass layout='coco-17', for instance")
    skeleton = layouts.get(chosen)
    if skeleton.num_joints != clip.x.shape[2]:
        raise ValueError(
            f"layout: expected one of {clip.x.shape[2]} joints like clip.x, got {skeleton.name!r} with "
            f"{skeleton.num_joints}"
        )
    return skeleton
