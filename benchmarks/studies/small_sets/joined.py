"""The training clips of several sets in one file: one skeleton, one person a clip.

Axes: n clips, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.studies.small_sets.sets import StudySet
from skelblocks._utils.whole_file import whole_file
from skelblocks.data import ArrayDataset, synthetic_motion
from skelblocks.layouts import get, remap
from skelblocks.training import DataOptions
from skelblocks.training.dataset_split import training_mask

TARGET = "ntu-rgb+d"
SYNTHETIC = "synthetic"


class Part(NamedTuple):
    """Clips of one set.

    Attributes:
        clips: ``(n, c, t, v, 1)``, as they were recorded.
        lengths: True frames of each clip.
    """

    clips: NDArray[np.float32]
    lengths: NDArray[np.int64]


def write_joined(path: Path, places: list[StudySet]) -> None:
    """Write the training clips of each set, and as many clips of synthetic motion as a small set has.

    It has the arrays of skelblocks' form without labels, and ``set``, which names the set of each clip.

    Args:
        path: The npz file to write.
        places: Sets in three coordinates and in meters. Each person of a clip becomes a clip.
    """
    parts = {place.name: training_part(place) for place in places}
    parts[SYNTHETIC] = synthetic_part()
    frames = max(part.clips.shape[2] for part in parts.values())
    padded = [_padded(part.clips, frames) for part in parts.values()]
    arrays = {
        "x": np.concatenate(padded),
        "length": np.concatenate([part.lengths for part in parts.values()]),
        "set": np.repeat(list(parts), [len(part.clips) for part in parts.values()]),
        "joint_names": np.array(get(TARGET).joints),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as place, place.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes keywords for allow_pickle


def training_part(place: StudySet) -> Part:
    """The training clips of a set on the joints of the common skeleton, each person by itself."""
    options = DataOptions(path=place.path, **place.split)
    whole = ArrayDataset.from_file(place.path, layout=options.layout)
    train = training_mask(whole, options)
    with np.load(place.path) as arrays:
        clips, lengths = arrays["x"][train], arrays["length"][train].astype(np.int64)
    placed, _ = remap(clips, source=whole.layout, target=TARGET, missing="nearest")
    return one_person(placed, lengths)


def one_person(clips: NDArray[np.float32], lengths: NDArray[np.int64]) -> Part:
    """Each person of each clip as a clip of its own; persons who are absent are left out.

    Example:
        >>> clips = np.ones((2, 3, 4, 5, 2), dtype=np.float32)
        >>> clips[0, ..., 1] = 0
        >>> one_person(clips, np.array([4, 3])).lengths
        array([4, 3, 3])
    """
    rows, persons = np.nonzero((clips != 0).any(axis=(1, 2, 3)))
    return Part(clips[rows, ..., persons][..., None], lengths[rows])


def synthetic_part() -> Part:
    """480 clips of synthetic motion: 20 classes, 8 subjects, 3 views."""
    clips = synthetic_motion(TARGET, classes=20, subjects=8, views=3).x.numpy()
    return Part(clips, np.full(len(clips), clips.shape[2]))


def _padded(clips: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    return np.pad(clips, [(0, 0), (0, 0), (0, frames - clips.shape[2]), (0, 0), (0, 0)])
