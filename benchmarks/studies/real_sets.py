"""The four real sets of `real_data.py`: which file, which clips train, which test."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks.data import ArrayDataset
from skelblocks.training import DataOptions, Sets, load_sets

FILES = {"utd-mhad": "utd_mhad.npz", "nw-ucla": "nw_ucla.npz", "sbu": "sbu_interaction.npz", "hdm05": "hdm05_11.npz"}


class RealSet(NamedTuple):
    """Clips to train and to test on.

    Attributes:
        sets: All of them.
        parts: Test clips that are reported together, as masks ``(n,)``; a part that has no name of its own is "all".
        people: Who is in each test clip, where the file says so.
    """

    sets: Sets
    parts: Mapping[str, NDArray[np.bool_]]
    people: NDArray[Any] | None


def data_file(folder: str, name: str) -> str:
    """The set's file in a folder.

    Raises:
        FileNotFoundError: it is not there.
    """
    path = Path(folder) / FILES[name]
    if not path.is_file():
        raise FileNotFoundError(f"data: there is no {FILES[name]} in {folder!r}, which {name} is read from")
    return str(path)


def folds_of(path: str) -> list[int]:
    """The folds that a file counts."""
    with np.load(path) as file:
        if "fold" not in file:
            raise ValueError(f"split: {path!r} has no array 'fold'; choose another split")
        return [int(each) for each in np.unique(file["fold"])]


def load(options: DataOptions) -> RealSet:
    """The clips of a run's options.

    NW-UCLA's third view has clips that are copies of training clips. One training serves both tests: "standard" with
    them, as in the papers, and "clean" without.
    """
    clean = load_sets(options)
    if not isinstance(clean.train, ArrayDataset) or not isinstance(clean.test, ArrayDataset):
        raise ValueError(f"data: expected an .npz file, got {options.path!r}")
    names = [name for part in clean for name in part.names]
    if len(set(names)) < len(names):
        raise ValueError(f"data: {options.path!r} has two clips of one name")
    if options.split != "cross-view" or "duplicate_of_other_view" not in clean.test.arrays:
        return RealSet(clean, {"all": np.ones(len(clean.test), dtype=bool)}, clean.test.subjects)
    whole = load_sets(dataclasses.replace(options, split="none")).train
    assert isinstance(whole, ArrayDataset)
    test = whole.subset(~np.isin(whole.names, clean.train.names))
    parts = {"standard": np.ones(len(test), dtype=bool), "clean": ~test.arrays["duplicate_of_other_view"]}
    return RealSet(Sets(clean.train, test), parts, test.subjects)
