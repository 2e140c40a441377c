"""Made-up files in the form of NTU RGB+D's owners, for tests and documentation.

Axes: c coordinates, t frames, v joints, b bodies.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from skelblocks.clips.raw_clip import RawClip
from skelblocks.data.formats.read_ntu_skeleton import JOINTS, parse_ntu_name

_FIRST_ID = 72057594037931101  # such ids need all 64 bits: neighbours are the same number as float64


def write_ntu_skeleton(
    path: str | os.PathLike[str],
    *,
    bodies: int = 1,
    frames: int = 30,
    seed: int = 0,
    hidden: Mapping[int, Collection[int]] | None = None,
    swapped: Collection[int] = (),
    cut: float | None = None,
) -> RawClip:
    """Write a ``.skeleton`` file, and tell what a reader should find in it.

    Args:
        path: Where to; the name in the form ``S001C002P003R002A013.skeleton``.
        bodies: How many people, each with an id of their own; 0 for a clip in which nobody is seen.
        frames: How many frames.
        seed: The same seed gives the same file.
        hidden: For some of the bodies, counted from 0, the frames in which the file lacks them. A frame that lacks all
            of them is a frame with a count of 0 bodies.
        swapped: Frames that list their bodies in reverse.
        cut: Keep only this share of the file's bytes, as of a copy that was broken off; None keeps all.

    Returns:
        The clip that is in the whole file, coordinates as written. Bodies are in the order of their first appearance;
        those that are hidden throughout are left out.

    Raises:
        ValueError: another form of name, no frames, a body or frame that there is not, or ``cut`` outside [0, 1].

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/S001C001P001R001A001.skeleton"
        ...     clip = write_ntu_skeleton(path, bodies=2, frames=3, hidden={0: [1], 1: [0, 1]}, swapped=[2])
        >>> clip.seen.tolist(), clip.order.tolist()
        ([[True, False], [False, False], [True, True]], [[0, -1], [-1, -1], [1, 0]])
    """
    path = Path(path)
    origin = parse_ntu_name(path.stem)
    if bodies < 0 or frames < 1:
        raise ValueError(f"bodies, frames: expected at least 0 and 1, got {bodies} and {frames}")
    if cut is not None and not 0 <= cut <= 1:
        raise ValueError(f"cut: expected a share in [0, 1], got {cut}")
    seen = np.ones((frames, bodies), dtype=np.bool_)
    for body, gone in (hidden or {}).items():
        if not 0 <= body < bodies or not all(0 <= frame < frames for frame in gone):
            raise ValueError(f"hidden: expected bodies in 0..{bodies - 1} and frames in 0..{frames - 1}, got {hidden}")
        seen[list(gone), body] = False
    if not all(0 <= frame < frames for frame in swapped):
        raise ValueError(f"swapped: expected frames in 0..{frames - 1}, got {swapped}")

    rng = np.random.default_rng(seed)
    pose = rng.uniform((-0.3, -0.9, -0.1), (0.3, 0.9, 0.1), size=(bodies, 1, JOINTS, 3))
    place = np.array((0.0, 0.0, 3.0)) + np.arange(bodies)[:, None, None, None] * np.array((0.8, 0.0, 0.1))
    x = pose + place + rng.normal(scale=0.02, size=(bodies, frames, JOINTS, 3)).cumsum(axis=1)  # (b, t, v, c)
    rest = rng.uniform(-1, 1, size=(bodies, frames, JOINTS, 8)) * (500, 500, 2000, 1000, 1, 1, 1, 1)

    order = np.full((frames, bodies), -1, dtype=np.int64)
    columns: dict[int, None] = {}
    text = [str(frames)]
    for frame in range(frames):
        listed = np.flatnonzero(seen[frame]).tolist()
        listed = listed[::-1] if frame in swapped else listed
        text.append(str(len(listed)))
        for rank, body in enumerate(listed):
            columns[body] = None
            order[frame, body] = rank
            text += (f"{_FIRST_ID + body} 0 1 1 1 1 0 {0.02:.6g} {-0.03:.6g} 2", str(JOINTS))
            values = np.concatenate((x[body, frame], rest[body, frame]), axis=1)
            text += (" ".join([f"{value:.7g}" for value in row] + ["2"]) for row in values.tolist())
    whole = ("\n".join(text) + "\n").encode("ascii")
    path.write_bytes(whole if cut is None else whole[: int(cut * len(whole))])

    kept = list(columns)
    written = np.array([float(f"{value:.7g}") for value in x[kept].ravel().tolist()]).reshape(len(kept), *x.shape[1:])
    clip = written.transpose(3, 1, 2, 0).astype(np.float32)
    seen = seen[:, kept]
    clip[:] = np.where(seen[:, None], clip, 0)
    return RawClip(path.stem, clip, seen, origin["action"] - 1, origin, order[:, kept])
