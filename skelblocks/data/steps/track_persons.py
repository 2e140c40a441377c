"""Give each person of a recording without ids a fixed place.

Axes: c coordinates, t frames, v joints, b places in a frame's list, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.steps.body_sizes import body_sizes
from skelblocks.data.steps.choose_bodies import body_energy
from skelblocks.data.steps.drop_ghosts import drop_ghosts
from skelblocks.data.steps.follow_persons import follow_persons, skeleton_of
from skelblocks.data.steps.split_persons import split_persons
from skelblocks.layouts import SkeletonLayout

Rank = Literal["size", "motion"]
RANKS: tuple[Rank, ...] = get_args(Rank)


@explain_arguments
def track_persons(
    clip: RawClip,
    *,
    persons: int = 2,
    by: Rank = "size",
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
    gate: float | None = None,
    max_gap: int = 30,
    least_frames: int = 8,
    least_size: float = 0.3,
    least_score: float = 0.4,
) -> RawClip:
    """Follow the persons of a recording, drop ghosts, and keep the persons that matter.

    This is :func:`~skelblocks.data.follow_persons`, :func:`~skelblocks.data.drop_ghosts` and a choice. A clip whose
    file has ids keeps them.

    Args:
        clip: The raw clip.
        persons: How many persons stay at most, m.
        by: Which ones: the largest, ``"size"``, or those that move most, ``"motion"``, see
            :func:`~skelblocks.data.body_energy`.
        layout: The skeleton. Default: the clip's own.
        gate: For :func:`~skelblocks.data.follow_persons`.
        max_gap: For :func:`~skelblocks.data.follow_persons`.
        least_frames: For :func:`~skelblocks.data.drop_ghosts`.
        least_size: For :func:`~skelblocks.data.drop_ghosts`.
        least_score: For :func:`~skelblocks.data.drop_ghosts`.

    Returns:
        The clip ``(c, t, v, m)`` with ``tracked=True``, the chosen persons in order; fewer where there are fewer.

    Raises:
        ImportError: Scipy is not installed.
        TypeError: ``clip`` is not a RawClip, or a number is not an integer.
        ValueError: A number out of range, an unknown choice, or no layout.

    Example:
        >>> x = np.zeros((2, 40, 17, 2), dtype=np.float32)
        >>> x[:] = np.random.default_rng(0).uniform(0, 100, (2, 1, 17, 1))
        >>> x[..., 1] += 300
        >>> x[:, ::2] = x[:, ::2, :, ::-1]  # every other frame lists the two the other way around
        >>> clip = RawClip("two", x, np.ones((40, 17, 2), dtype=bool), -1, {}, layout="coco-17", tracked=False)
        >>> tracked = track_persons(clip)
        >>> bool((tracked.x == tracked.x[:, :1]).all()), tracked.tracked
        (True, True)
    """
    check_integer(persons, name="persons")
    tracks = follow_persons(clip, layout=layout, gate=gate, max_gap=max_gap)
    skeleton = skeleton_of(clip, layout)
    tracks = drop_ghosts(
        clip, tracks, layout=skeleton, least_frames=least_frames, least_size=least_size, least_score=least_score
    )
    found = split_persons(clip, tracks)
    chosen = choose_persons(found, persons=persons, by=by, layout=skeleton)
    return gather_persons(clip, chosen)


def choose_persons(clips: Sequence[RawClip], *, persons: int, by: Rank, layout: SkeletonLayout) -> list[RawClip]:
    """The largest or the most moving of some clips of one person each, in that order; the earlier of equals."""
    check_choice(by, RANKS, name="by")
    if by == "motion":
        values = [float(body_energy(clip._replace(seen=clip.seen_persons))[0]) for clip in clips]
    else:
        each = [clip.x[..., 0].transpose(1, 0, 2).astype(np.float64) for clip in clips]
        seen = [clip.seen_joints[..., 0] for clip in clips]
        values = []
        if clips:
            sizes = body_sizes(np.concatenate(each), np.concatenate(seen), layout=layout)
            known = np.concatenate(seen).any(axis=1)
            ends = np.cumsum([len(one) for one in each])[:-1]
            parts = zip(np.split(sizes, ends), np.split(known, ends), strict=True)
            values = [float(np.median(size[there])) if there.any() else 0.0 for size, there in parts]
    order = np.argsort(-np.array(values), kind="stable")
    return [clips[place] for place in order[:persons].tolist()]


def gather_persons(clip: RawClip, persons: Sequence[RawClip]) -> RawClip:
    """Put clips of one person each, with their ``"start"``, beside each other in the frames of ``clip``."""
    c, t, v, _ = clip.x.shape
    x = np.zeros((c, t, v, len(persons)), dtype=np.float32)
    seen = np.zeros((t, v, len(persons)), dtype=np.bool_)
    scores = None if clip.scores is None else np.zeros(seen.shape, dtype=np.float32)
    for place, person in enumerate(persons):
        start = person.origin["start"]
        frames = slice(start, start + person.x.shape[1])
        x[:, frames, :, place] = person.x[..., 0]
        seen[frames, :, place] = person.seen_joints[..., 0]
        if scores is not None and person.scores is not None:
            scores[frames, :, place] = person.scores[..., 0]
    order = np.where(seen.any(axis=1), np.arange(len(persons)), -1)
    return clip._replace(x=x, seen=seen, order=order, scores=scores, tracked=True)
