"""Make a separate clip of each person of a recording.

Axes: c coordinates, t frames, v joints, b places in a frame's list.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.raw_clip import RawClip


@explain_arguments
def split_persons(clip: RawClip, tracks: NDArray[np.int64]) -> list[RawClip]:
    """Cut a recording into one clip for each person, from the first to the last frame that shows the person.

    Args:
        clip: The raw clip.
        tracks: ``(t, b)``, the number of each detection's person, -1 for no person, as
            :func:`~skelblocks.data.follow_persons` and :func:`~skelblocks.data.drop_ghosts` give it.

    Returns:
        Clips of one person each, in the order of their numbers. ``seen`` is ``(t, v, 1)``. The clip's ``origin`` gets
        ``"person"``, the number, and ``"start"``, the frame of the recording at which the clip begins; its name ends
        with the number, such as ``"mine_p0"``.

    Raises:
        ValueError: Tracks of another shape, or two persons of one number in one frame.

    Example:
        >>> x = np.ones((2, 9, 17, 2), dtype=np.float32)
        >>> tracks = np.full((9, 2), -1)
        >>> tracks[2:5, 0], tracks[5:8, 1] = 0, 0  # the same person, at another place of the list
        >>> clip = RawClip("mine", x, np.ones((9, 17, 2), dtype=bool), -1, {}, tracked=False)
        >>> [(one.name, one.x.shape, one.origin["start"]) for one in split_persons(clip, tracks)]
        [('mine_p0', (2, 6, 17, 1), 2)]
    """
    if not isinstance(tracks, np.ndarray) or tracks.shape != clip.seen_persons.shape:
        raise ValueError(
            f"tracks: expected an array (t, b) = {clip.seen_persons.shape} like the clip's persons, got "
            f"{getattr(tracks, 'shape', type(tracks).__name__)}; compute them with follow_persons(clip)"
        )
    frame, place = np.nonzero(tracks >= 0)
    track = tracks[frame, place]
    order = np.argsort(track, kind="stable")  # by track, then by frame
    persons = []
    for one in np.split(order, np.flatnonzero(np.diff(track[order])) + 1) if len(order) else []:
        number, frames = int(track[one[0]]), frame[one]
        if (np.diff(frames) == 0).any():
            raise ValueError(f"tracks: expected each number once in a frame, got {number} twice")
        persons.append(_person(clip, number, frames, place[one]))
    return persons


def _person(clip: RawClip, number: int, frames: NDArray[np.int64], places: NDArray[np.int64]) -> RawClip:
    start, length = int(frames[0]), int(frames[-1] - frames[0]) + 1
    seen = np.zeros((length, clip.x.shape[2], 1), dtype=np.bool_)
    seen[frames - start, :, 0] = clip.seen_joints[frames, :, places]
    x = np.zeros((clip.x.shape[0], length, clip.x.shape[2], 1), dtype=np.float32)
    x[..., 0].swapaxes(0, 1)[frames - start] = clip.x.transpose(1, 3, 0, 2)[frames, places]  # (t, c, v)
    scores = None
    if clip.scores is not None:
        scores = np.zeros(seen.shape, dtype=np.float32)
        scores[frames - start, :, 0] = clip.scores[frames, :, places]
    return clip._replace(
        name=f"{clip.name}_p{number}",
        x=np.where(seen, x, 0),
        seen=seen,
        origin={**clip.origin, "person": number, "start": start},
        order=None,
        scores=scores,
        tracked=True,
    )
