"""A set of the study: which file, which clips train, and how it is named on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks.protocols.evaluated_clips import chosen_data, evaluated_sets
from skelblocks.protocols.options import EvaluatedDataOptions
from skelblocks.protocols.trained_encoder import TrainedEncoder
from skelblocks.training import DataOptions, Sets, groups, load_sets

# The splits of the sets that the study knows; any other file takes part with the split that its arrays suggest.
SPLITS: dict[str, dict[str, Any]] = {
    "nw-ucla": {"split": "cross-view", "train_ids": [1, 2]},
    "utd-mhad": {"split": "cross-subject"},
    "sbu": {"split": "fold"},
    "hdm05": {"split": "is_train", "layout": "hdm05"},
}


@dataclass(frozen=True)
class StudySet:
    """One set, or one fold of a set.

    Attributes:
        name: Of the set.
        path: Of its npz file.
        fold: The fold that tests, for a set with folds.
    """

    name: str
    path: str
    fold: int | None = None

    @property
    def label(self) -> str:
        """The name in file names: ``nw-ucla``, ``sbu@0``."""
        return self.name if self.fold is None else f"{self.name}@{self.fold}"

    @cached_property
    def split(self) -> dict[str, Any]:
        """The options of the split."""
        found = dict(SPLITS.get(self.name, {}))
        if self.fold is not None:
            found["train_ids"] = [each for each in folds_of(self.path) if each != self.fold]
        return found

    @property
    def arguments(self) -> list[str]:
        """What ``skelblocks train`` takes for this set."""
        found = ["--data.path", self.path]
        for name, value in self.split.items():
            found += [f"--data.{name}", str(value)]
        return found

    def clips(self, **options: Any) -> Sets:
        """The clips, preprocessed by options of the group ``data``."""
        return load_sets(DataOptions(path=self.path, **{**self.split, **options}))

    def clips_for(self, trained: TrainedEncoder) -> Sets:
        """The clips as an encoder takes them, also one that was trained on another set."""
        options = EvaluatedDataOptions(path=self.path, **self.split)
        if not trained.is_run and isinstance(trained.layout.name, str):  # a run says itself how clips become its own
            options.to, options.missing = trained.layout.name, "nearest"
        chosen = chosen_data(trained, options)
        return evaluated_sets(trained, chosen, layout=self.split.get("layout"), tell=False)[0]

    def groups(self, sets: Sets) -> NDArray[Any] | None:
        """The subject, view or fold of each training clip, if there are several."""
        found = groups(sets.train, self.split.get("split"))
        return None if found is None or len(np.unique(found)) < 2 else found


def folds_of(path: str) -> list[int]:
    """The folds of a file, or none."""
    with np.load(path) as file:
        return [int(each) for each in np.unique(file["fold"])] if "fold" in file else []


def study_sets(name: str, path: str) -> list[StudySet]:
    """A set, or each of its folds.

    Example:
        >>> study_sets("utd-mhad", "utd.npz")
        [StudySet(name='utd-mhad', path='utd.npz', fold=None)]
    """
    if SPLITS.get(name, {}).get("split") == "fold":
        return [StudySet(name, path, fold) for fold in folds_of(path)]
    return [StudySet(name, path)]
