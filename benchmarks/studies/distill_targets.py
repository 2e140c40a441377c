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
NOISES = ("perfect", "noisy")
_ALL = (*TARGETS, "hdm05")


@dataclass(frozen=True)
class Target:
    """A set: clips ``(n, 3, t, v, m)`` as recorded, their true frames, and masks of training and test clips."""

    clips: NDArray[Any]
    lengths: NDArray[Any] | None
    layout: SkeletonLayout
    labels: NDArray[Any]
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    classes: int

    def pictures(self, layout: str) -> NDArray[np.float32]:
        """What the recording camera sees, without depth: ``(n, 2, t, v, m)`` with the layout's joints."""
        flat: NDArray[Any] = remap(self.clips[:, :2], source=self.layout, target=layout, missing="nearest")[0]
        return flat.astype(np.float32)

    def in_space(self, teacher: Pretrained) -> Tensor:
        """The clips as the teacher wants them."""
        assert teacher.preprocessing is not None
        settings = replace(teacher.preprocessing, persons=None, to=teacher.layout, missing="nearest")
        return ArrayDataset(self.clips, layout=self.layout, lengths=self.lengths, preprocessing=settings).as_tensor()


def load_target(folder: str, name: str) -> Target:
    """NW-UCLA: views 1 and 2 to 3, without copies. UTD-MHAD: odd to even subjects. SBU: folds 1 to 4 to fold 0."""
    with np.load(data_file(folder, name)) as file:
        found = {key: file[key] for key in file.files}
    if name == "nw-ucla":
        train = found["view"] != 3
        test = ~train & ~found["duplicate_of_other_view"]
    elif name == "utd-mhad":
        train = found["subject"] % 2 == 1
        test = ~train
    else:
        train = found["fold"] != found["fold"].min()
        test = ~train
    labels = found["y"].astype(np.int64)
    layout = ArrayDataset.from_file(data_file(folder, name), preprocessing=Preprocessing(center=None)).layout
    clips = found["x"].astype(np.float32)
    return Target(clips, found.get("length"), layout, labels, train, test, int(labels.max()) + 1)


def others_of(folder: str, name: str) -> list[str]:
    """The files of all sets but one."""
    return [data_file(folder, each) + ("@hdm05" if each == "hdm05" else "") for each in _ALL if each != name]


def own_clips(folder: str, name: str, scratch: Path) -> str:
    """A file with the training clips of a set alone."""
    target = load_target(folder, name)
    path = scratch / f"{name}_train.npz"
    lengths = None if target.lengths is None else target.lengths[target.train]
    arrays = {"x": target.clips[target.train], "joint_names": np.array(target.layout.joints)}
    np.savez(path, **arrays, **({} if lengths is None else {"length": lengths}))
    return str(path)
