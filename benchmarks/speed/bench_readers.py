"""A folder of NTU RGB+D's text files: whole blocks of lines at once against line by line."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.case import Case, Setting
from skelblocks.data import read_ntu_skeleton
from skelblocks.testing import write_ntu_skeleton

CLIPS, FRAMES, PAIRS = 12, 84, 4  # the mean length of the owners' clips; about a quarter of them shows two people
Arrays = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]


def plain_reader(path: Path, *, all_numbers: bool) -> Arrays:
    """Coordinates ``(c, t, v, b)``, sights and places in the list ``(t, b)``, bodies by their id.

    The usual readers make a number of all twelve texts of a joint, and use three of them.
    """
    entries: list[tuple[int, int, int, list[list[float]]]] = []
    columns: dict[int, int] = {}
    with path.open() as file:
        frames = int(file.readline())
        for frame in range(frames):
            for order in range(int(file.readline())):
                body = columns.setdefault(int(file.readline().split()[0]), len(columns))
                joints = []
                for _ in range(int(file.readline())):
                    texts = file.readline().split()
                    joints.append([float(text) for text in (texts if all_numbers else texts[:3])][:3])
                entries.append((frame, body, order, joints))
    x = np.zeros((3, frames, 25, len(columns)), dtype=np.float32)
    places = np.full((frames, len(columns)), -1)
    for frame, body, order, joints in entries:
        x[:, frame, :, body] = np.array(joints).T
        places[frame, body] = order
    return x, places >= 0, places


def cases(setting: Setting) -> Iterator[Case]:
    """Clips of the usual length, from the page cache."""
    with tempfile.TemporaryDirectory() as folder:
        clips, frames = (2, 9) if setting.small else (CLIPS, FRAMES)
        paths = [Path(folder) / f"S001C001P001R001A{action:03}.skeleton" for action in range(1, clips + 1)]
        for seed, path in enumerate(paths):
            write_ntu_skeleton(path, persons=2 if seed < PAIRS else 1, frames=frames, seed=seed)
        size = sum(path.stat().st_size for path in paths) / 1e6

        def ours() -> list[Arrays]:
            read = [read_ntu_skeleton(path) for path in paths]
            return [(clip.x, clip.seen, clip.order) for clip in read if clip.order is not None]

        for all_numbers in (True, False):

            def plain(all_numbers: bool = all_numbers) -> list[Arrays]:
                return [plain_reader(path, all_numbers=all_numbers) for path in paths]

            equal = all(
                np.array_equal(a, b)
                for one, other in zip(ours(), plain(), strict=True)
                for a, b in zip(one, other, strict=True)
            )
            numbers = "all twelve numbers" if all_numbers else "three of the twelve numbers"
            sizes = f"{clips} NTU RGB+D files, {size:.1f} MB; the plain reader converts {numbers} of a joint"
            yield Case("readers", sizes, ours, plain, 0.0 if equal else float("inf"))
