"""Clips of any source as a sequence of raw clips, which a page about a set reads.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips import ClipDataset, RawClip, RawClips
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.steps.vertical import counts_down, torso_height, torso_weights
from skelblocks.layouts import SkeletonLayout

UNLABELED = -1
_MEASURED = 50  # clips


class DatasetClips(RawClips):
    """The clips of a data set.

    Args:
        dataset: For instance an :class:`~skelblocks.data.ArrayDataset` or a :class:`~skelblocks.data.PreparedSet`.
    """

    def __init__(self, dataset: ClipDataset) -> None:
        self.dataset = dataset
        self.groups = {name: dataset.groups(name) for name in dataset.group_names}
        self.group_names: Mapping[str, Sequence[str]] = getattr(dataset, "origin_names", {})

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, index: int) -> RawClip:
        """One clip."""
        x = self.dataset.batch([index])[0].numpy()
        mask = getattr(self.dataset, "seen", lambda _: None)([index])
        return RawClip(
            name=self.dataset.names[index],
            x=x,
            # Joints are told of in any case: after the preprocessing a zero is a coordinate like any other.
            seen=np.broadcast_to(_of_persons(x)[:, None], x.shape[1:]) if mask is None else mask[0].numpy(),
            label=int(self.dataset.labels[index]),
            origin={name: values[index].item() for name, values in self.groups.items()},
        )


class ArrayClips(RawClips):
    """The clips of a file's arrays, as they are there.

    Args:
        arrays: What :func:`~skelblocks.data.read_arrays` gives: ``clips (n, c, t, v, m)``, and one value for each clip
            in ``labels``, ``names``, ``lengths``, ``subjects``, ``views`` and others. Arrays of another length are left
            out.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.clips = arrays["clips"]
        n = len(self.clips)
        own = {name: values for name, values in arrays.items() if np.shape(values)[:1] == (n,)}
        labels, names = own.pop("labels", None), own.pop("names", None)
        self.labels = labels if labels is not None and labels.dtype.kind in "iu" and labels.ndim == 1 else None
        self.names = names if names is not None and names.ndim == 1 else np.arange(n)
        self.lengths = own.pop("lengths", None)
        self.masks = own.pop("seen", None)
        self.groups = {
            {"subjects": "subject", "views": "view"}.get(name, name): values
            for name, values in own.items()
            if values.ndim == 1 and values.dtype.kind in "iubUS" and name not in ("clips", "train", "class_names")
        }

    def __len__(self) -> int:
        return len(self.clips)

    def read(self, index: int) -> RawClip:
        """One clip."""
        x = np.asarray(self.clips[index])
        if self.lengths is not None:
            x = x[:, : max(1, int(self.lengths[index]))]
        masked = self.masks is not None and self.masks.dtype == np.bool_
        return RawClip(
            name=str(self.names[index]),
            x=x,
            seen=np.asarray(self.masks[index])[: x.shape[1]] if masked and self.masks is not None else _of_persons(x),
            label=UNLABELED if self.labels is None else int(self.labels[index]),
            origin={name: values[index].item() for name, values in self.groups.items()},
        )


def is_upside_down(clips: Sequence[RawClip], layout: SkeletonLayout) -> bool:
    """Whether clips of two coordinates count the second one downwards, as pictures do.

    A data set whose preprocessing turned its clips upright says so. Otherwise the shoulders and hips of up to 50 clips
    decide; a skeleton without them counts as one in a picture.

    Args:
        clips: The clips.
        layout: Their skeleton.
    """
    known = clips.dataset.preprocessing if isinstance(clips, DatasetClips) else None
    if known is not None and known.y != "up":
        return False
    heights = []
    for place in np.unique(np.linspace(0, len(clips) - 1, min(len(clips), _MEASURED)).astype(int)).tolist():
        try:
            clip = clips[place]
        except ClipFormatError:
            continue
        if len(clip.x) != 2:
            return False
        if torso_weights(layout) is None:
            return True
        heights.append(torso_height(clip.x[None], layout=layout, seen=clip.seen_joints[None]))
    return bool(heights) and counts_down(np.concatenate(heights))


def _of_persons(x: NDArray[Any]) -> NDArray[np.bool_]:
    """``(t, m)``: in which frames each person is there."""
    present: NDArray[np.bool_] = (x != 0).any(axis=(0, 2))
    return present
