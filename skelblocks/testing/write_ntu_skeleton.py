"""Made-up raw files of NTU RGB+D, for tests and documentation.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from einops import rearrange

from skelblocks._utils.deprecated import renamed_arguments
from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.formats.read_ntu_skeleton import JOINTS, parse_ntu_name

_FIRST_ID = 72057594037931101  # such ids need all 64 bits: neighbors are the same number as float64


@renamed_arguments(bodies="persons")
def write_ntu_skeleton(
    path: str | os.PathLike[str],
    *,
    persons: int = 1,
    frames: int = 30,
    seed: int = 0,
    hidden: Mapping[int, Collection[int]] | None = None,
    swapped: Collection[int] = (),
    cut: float | None = None,
) -> RawClip:
    """Write a ``.skeleton`` file, and return what a reader should find in it.

    Args:
        path: Where to write it. The name has the form ``S001C002P003R002A013.skeleton``.
        persons: Number of tracked persons, each with its own id; 0 for a clip in which no person is seen.
        frames: Number of frames.
        seed: Seed of the draws. The same seed gives the same file.
        hidden: For some of the persons, counted from 0, the frames in which the file lacks them. A frame that lacks all
            persons has a count of 0 bodies.
        swapped: Frames that list their persons in reverse order.
        cut: Ratio of the file's bytes to keep, as in an interrupted copy; None keeps all.

    Returns:
        The clip of the whole file, with coordinates as written. Persons are in the order of their first appearance;
        persons that are hidden throughout are left out.

    Raises:
        ValueError: The name has another form, there are no frames, a person or frame does not exist, or ``cut`` is
            outside [0, 1].

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/S001C001P001R001A001.skeleton"
        ...     clip = write_ntu_skeleton(path, persons=2, frames=3, hidden={0: [1], 1: [0, 1]}, swapped=[2])
        >>> clip.seen.tolist(), clip.order.tolist()
        ([[True, False], [False, False], [True, True]], [[0, -1], [-1, -1], [1, 0]])
    """
    path = Path(path)
    origin = parse_ntu_name(path.stem)
    if persons < 0 or frames < 1:
        raise ValueError(f"persons, frames: expected at least 0 and 1, got {persons} and {frames}")
    if cut is not None and not 0 <= cut <= 1:
        raise ValueError(f"cut: expected a ratio in [0, 1], got {cut}")
    seen = np.ones((frames, persons), dtype=np.bool_)
    for person, gone in (hidden or {}).items():
        if not 0 <= person < persons or not all(0 <= frame < frames for frame in gone):
            raise ValueError(
                f"hidden: expected persons in 0..{persons - 1} and frames in 0..{frames - 1}, got {hidden}"
            )
        seen[list(gone), person] = False
    if not all(0 <= frame < frames for frame in swapped):
        raise ValueError(f"swapped: expected frames in 0..{frames - 1}, got {swapped}")

    rng = np.random.default_rng(seed)
    pose = rng.uniform((-0.3, -0.9, -0.1), (0.3, 0.9, 0.1), size=(persons, 1, JOINTS, 3))
    place = np.array((0.0, 0.0, 3.0)) + np.arange(persons)[:, None, None, None] * np.array((0.8, 0.0, 0.1))
    x = pose + place + rng.normal(scale=0.02, size=(persons, frames, JOINTS, 3)).cumsum(axis=1)  # (m, t, v, c)
    rest = rng.uniform(-1, 1, size=(persons, frames, JOINTS, 8)) * (500, 500, 2000, 1000, 1, 1, 1, 1)

    order = np.full((frames, persons), -1, dtype=np.int64)
    columns: dict[int, None] = {}
    text = [str(frames)]
    for frame in range(frames):
        listed = np.flatnonzero(seen[frame]).tolist()
        listed = listed[::-1] if frame in swapped else listed
        text.append(str(len(listed)))
        for rank, person in enumerate(listed):
            columns[person] = None
            order[frame, person] = rank
            text += (f"{_FIRST_ID + person} 0 1 1 1 1 0 {0.02:.6g} {-0.03:.6g} 2", str(JOINTS))
            values = np.concatenate((x[person, frame], rest[person, frame]), axis=1)
            text += (" ".join([f"{value:.7g}" for value in row] + ["2"]) for row in values.tolist())
    whole = ("\n".join(text) + "\n").encode("ascii")
    path.write_bytes(whole if cut is None else whole[: int(cut * len(whole))])

    kept = list(columns)
    written = np.array([float(f"{value:.7g}") for value in x[kept].ravel().tolist()]).reshape(len(kept), *x.shape[1:])
    clip = rearrange(written, "m t v c -> c t v m").astype(np.float32)
    seen = seen[:, kept]
    clip[:] = np.where(seen[:, None], clip, 0)
    return RawClip(path.stem, clip, seen, origin["action"] - 1, origin, order[:, kept])
