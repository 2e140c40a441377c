"""The real sets of the distillation study: which clips train, which test, and how they look in a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.studies.real_sets import data_file
from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.interop import Pretrained
from skelblocks.layouts import SkeletonLayout, remap

TARGETS = ("nw-ucla", "utd-mhad", "sbu")
_ALL = (*TARGETS, "hdm05")


@dataclass(frozen=True)
class Target:
    """A set: clips ``(n, 3, t, v, m)`` as recorded, their true frames, and one or more splits.

    A split is a pair of masks ``(n,)``: the clips that train the classifier, and the clips that test it.
    """

    clips: NDArray[Any]
    lengths: NDArray[Any] | None
    layout: SkeletonLayout
    labels: NDArray[Any]
    splits: tuple[tuple[NDArray[np.bool_], NDArray[np.bool_]], ...]

    def joints(self, layout: str | SkeletonLayout) -> NDArray[np.float32]:
        """The clips in space with the joints of another layout."""
        found: NDArray[Any] = remap(self.clips, source=self.layout, target=layout, missing="nearest")[0]
        return found.astype(np.float32)

    def pictures(self, layout: str | SkeletonLayout, *, mirrored: bool = False) -> NDArray[np.float32]:
        """What the recording camera sees, without depth: ``(n, 2, t, v, m)`` with the layout's joints.

        A depth camera counts x to its left, a photo counts it to the right. Without the change of sign the picture is
        mirrored, as a camera for video calls shows people.
        """
        sign = np.array([1.0 if mirrored else -1.0, 1.0], dtype=np.float32)
        return self.joints(layout)[:, :2] * sign[:, None, None, None]

    def in_space(self, teacher: Pretrained, *, layout: str | None = None, **settings: Any) -> Tensor:
        """The clips as the teacher wants them, by way of another layout if there is one."""
        assert teacher.preprocessing is not None
        wanted = replace(teacher.preprocessing, persons=None, to=teacher.layout, missing="nearest", **settings)
        clips, own = (self.clips, self.layout) if layout is None else (self.joints(layout), layout)
        return ArrayDataset(clips, layout=own, lengths=self.lengths, preprocessing=wanted).as_tensor()

    def part(self, rows: NDArray[np.bool_], *splits: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> Target:
        """Some of the clips, with other splits of them."""
        lengths = None if self.lengths is None else self.lengths[rows]
        cut = tuple((train[rows], test[rows]) for train, test in splits)
        return replace(self, clips=self.clips[rows], lengths=lengths, labels=self.labels[rows], splits=cut)


def load_target(folder: str, name: str, *, held_out: bool = False) -> Target:
    """Load a set.

    NW-UCLA: views 1 and 2 train, view 3 tests, without the clips that are copies of training clips. UTD-MHAD: odd and
    even subjects. SBU: each of the five folds tests once. HDM05: the training and test clips that the file marks.

    Args:
        folder: Where the files are.
        name: Of the set.
        held_out: Leave out the test clips and test on some of the training clips instead, to choose settings: NW-UCLA
            from view 1 to view 2, UTD-MHAD from subjects 1 and 3 to 5 and 7, SBU from folds 1 to 3 to fold 4.
    """
    with np.load(data_file(folder, name)) as file:
        found = {key: file[key] for key in file.files}
    layout = ArrayDataset.from_file(
        data_file(folder, name), layout="hdm05" if name == "hdm05" else None, preprocessing=Preprocessing(center=None)
    ).layout
    whole = Target(found["x"].astype(np.float32), found.get("length"), layout, found["y"].astype(np.int64), ())
    if held_out:
        train, test = _held_out(name, found)
        return whole.part(train | test, (train, test))
    if name == "nw-ucla":
        train = found["view"] != 3
        splits = [(train, ~train & ~found["duplicate_of_other_view"])]
    elif name == "utd-mhad":
        train = found["subject"] % 2 == 1
        splits = [(train, ~train)]
    elif name == "sbu":
        splits = [(found["fold"] != fold, found["fold"] == fold) for fold in np.unique(found["fold"])]
    else:
        splits = [(found["is_train"], ~found["is_train"])]
    return replace(whole, splits=tuple(splits))


def _held_out(name: str, found: dict[str, NDArray[Any]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if name == "nw-ucla":
        return found["view"] == 1, found["view"] == 2
    if name == "utd-mhad":
        return np.isin(found["subject"], (1, 3)), np.isin(found["subject"], (5, 7))
    folds = np.unique(found["fold"])
    return np.isin(found["fold"], folds[1:4]), found["fold"] == folds[4]


def others_of(folder: str, name: str) -> list[str]:
    """The files of all sets but one."""
    return [data_file(folder, each) + ("@hdm05" if each == "hdm05" else "") for each in _ALL if each != name]


def own_clips(folder: str, name: str, scratch: Path) -> str:
    """A file with the training clips of a set alone, of its first split."""
    target = load_target(folder, name)
    train, _ = target.splits[0]
    path = scratch / f"{name}_train.npz"
    arrays = {"x": target.clips[train], "joint_names": np.array(target.layout.joints)}
    if target.lengths is not None:
        arrays["length"] = target.lengths[train]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, allow_pickle=False, **arrays)
    return str(path)
