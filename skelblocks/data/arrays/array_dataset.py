"""A set of clips held in arrays, preprocessed as it is read.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset
from typing_extensions import Self

from skelblocks import layouts
from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.clips.sample import Sample
from skelblocks.data.arrays.array_checks import (
    check_align,
    check_clips,
    check_finite,
    check_lengths,
    check_one_a_clip,
    checked_labels,
    origin_joint,
)
from skelblocks.data.arrays.read_arrays import read_arrays
from skelblocks.data.steps.align_view import align_view
from skelblocks.data.steps.center import BODIES, PER
from skelblocks.data.steps.center import center as center_clips
from skelblocks.data.steps.resample import clip_lengths, resample
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.recognize_layout import recognize_layout

_CHUNK = 256  # clips prepared at once


class ArrayDataset(Dataset[Sample]):
    """Clips in an array, centred and resampled on the way out; map style, for ``torch.utils.data.DataLoader``.

    A set that fits into memory needs no loader: :meth:`as_tensor` prepares it once, :meth:`batches` goes through it.

    Args:
        clips: ``(n, c, t, v, m)``, floating-point, padded with zeros at the end of time and where a person is absent.
        layout: The skeleton: a name, a dict or a layout.
        labels: ``(n,)``, integers from 0. Of labels that start from 1, subtract 1: as they are, they make a class 0
            that no clip has.
        lengths: Frames of each clip, ``(n,)``. Default: up to the last frame that is not all zero.
        frames: Every clip is resampled to that many, see :func:`~skelblocks.data.resample`; 50 in SkeletonCLR,
            CrosSCLR, AimCLR and MsMCLR, 64 in SkeleMixCLR and SkeAttnCLR. None leaves time as it is, padding included.
        center: Name or number of the joint that becomes the origin; ``"layout"`` for the layout's centre, as in the
            released preprocessing; None leaves the coordinates as they are. See :func:`~skelblocks.data.center`.
        per: ``"frame"`` or ``"clip"``, for the same function.
        body: ``"own"`` or ``"first"``, for the same function.
        align: None, or a mode of :func:`~skelblocks.data.align_view` for turning the shoulders to the camera; the
            released preprocessing of NTU RGB+D is ``"official"``.
        names: A name a clip, for messages and reports. Default: its number.
        class_names: A name a class.
        subjects: Who is seen in each clip, for :func:`~skelblocks.data.cross_subject`.
        views: Which camera took it, for :func:`~skelblocks.data.cross_view`.
        arrays: Anything else with one entry a clip; subsets take their part of it.

    Attributes:
        labels: int64 tensor ``(n,)``.
        names, class_names: Tuples of strings.
        subjects, views: Arrays, or None.
        arrays: A dict of arrays.
        layout: The :class:`~skelblocks.layouts.SkeletonLayout`.
        num_classes: Also of a subset that lacks some of the classes.

    Raises:
        TypeError: clips, labels, lengths or frames of another kind of number.
        ValueError: other axes, another number of joints than the layout's, one number a clip missing somewhere, labels
            outside the classes, or a coordinate that is not finite (the message names the clip). Clips that are mapped
            from disk are searched for those when they are read.

    Example:
        >>> clips = np.random.default_rng(0).standard_normal((6, 3, 80, 25, 2))
        >>> dataset = ArrayDataset(clips, layout="ntu-rgb+d", labels=[0, 1, 2, 0, 1, 2], subjects=[1, 1, 1, 2, 2, 2])
        >>> dataset
        ArrayDataset(6 clips, 3 classes, layout='ntu-rgb+d', frames=50, center='spine_shoulder')
        >>> dataset[4].clip.shape, dataset[4].label
        (torch.Size([3, 50, 25, 2]), tensor(1))
        >>> dataset.subset(dataset.subjects == 1).as_tensor().shape
        torch.Size([3, 3, 50, 25, 2])
    """

    def __init__(
        self,
        clips: NDArray[Any],
        *,
        layout: str | Mapping[str, Any] | SkeletonLayout,
        labels: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        frames: int | None = 50,
        center: str | int | None = "layout",
        per: str = "frame",
        body: str = "own",
        align: str | None = None,
        names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        subjects: ArrayLike | None = None,
        views: ArrayLike | None = None,
        arrays: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        check_clips(clips)
        self.layout = recognize_layout(layouts.get(layout), num_joints=clips.shape[3])
        check_choice(per, PER, name="per")
        check_choice(body, BODIES, name="body")
        if frames is not None:
            check_integer(frames, name="frames")
        n = len(clips)
        self.frames = frames
        self.center = origin_joint(center, self.layout)
        self.per = per
        self.body = body
        self.align = align
        if align is not None:
            check_align(align, channels=clips.shape[1], layout=self.layout)
        self.names = tuple(map(str, range(n) if names is None else names))
        self.class_names = tuple(map(str, () if class_names is None else class_names))
        self.labels = torch.from_numpy(checked_labels(labels, n))
        self.num_classes = len(self.class_names) or int(self.labels.max()) + 1
        self.subjects = None if subjects is None else np.asarray(subjects)
        self.views = None if views is None else np.asarray(views)
        self.arrays = {name: np.asarray(values) for name, values in (arrays or {}).items()}
        self._lengths = None if lengths is None else np.asarray(lengths)
        given = {"names": self.names, "lengths": self._lengths, "subjects": self.subjects, "views": self.views}
        check_one_a_clip(given, n)
        check_one_a_clip(self.arrays, n)
        check_lengths(self._lengths, frames=clips.shape[2])
        if int(self.labels.max()) >= self.num_classes:
            raise ValueError(
                f"labels: expected 0..{self.num_classes - 1}, one of class_names, got {int(self.labels.max())}"
            )
        self._clips = clips
        self._clips_layout = self.layout
        self._joints: NDArray[Any] | None = None
        self._rows = np.arange(n)
        self._mapped_from: Path | None = None
        self._search_on_reading = isinstance(clips, np.memmap)
        if not self._search_on_reading:
            for start in range(0, n, _CHUNK):
                check_finite(clips[start : start + _CHUNK], self.names[start : start + _CHUNK])

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
        keys: Mapping[str, str] | None = None,
        labels: ArrayLike | str | os.PathLike[str] | None = None,
        lengths: ArrayLike | str | os.PathLike[str] | None = None,
        split: str | None = None,
        frames: int | None = 50,
        center: str | int | None = "layout",
        per: str = "frame",
        body: str = "own",
        align: str | None = None,
    ) -> Self:
        """Open a set that is kept in a ``.npz`` or ``.npy`` file.

        Args:
            path: The file; a ``.npy`` file is mapped, not read. See :func:`~skelblocks.data.read_arrays`.
            layout: The skeleton. Default: the known one whose joint names the file has, in its order.
            keys: What the file calls its arrays, ``{"clips": "data"}``, where that is not the default.
            labels: In place of the file's own, as an array or a ``.npy`` file.
            lengths: In place of the file's own, as an array or a ``.npy`` file.
            split: ``"train"`` or ``"test"`` for that part by the file's ``is_train``; other splits are made with
                :meth:`subset`. Default: everything.
            frames: As for the class, like the rest.
            center: The origin.
            per: For it.
            body: For it.
            align: The view.

        Raises:
            FileNotFoundError: no such file.
            ValueError: an array that is missing or wrong, or a layout that is not that of the file; also what the class
                raises.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     np.save(f"{folder}/clips.npy", np.ones((4, 3, 20, 25, 1), dtype=np.float32))
            ...     ArrayDataset.from_file(f"{folder}/clips.npy", layout="ntu-rgb+d", labels=[0, 0, 1, 1])
            ArrayDataset(4 clips, 2 classes, layout='ntu-rgb+d', frames=50, center='spine_shoulder')
        """
        found: dict[str, Any] = read_arrays(path, keys=keys)
        clips = found.pop("clips")
        check_clips(clips)
        joint_names = found.pop("joint_names", ())
        train = found.get("train")
        for name, given in (("labels", labels), ("lengths", lengths)):
            if given is not None:
                found[name] = read_arrays(given)["clips"] if isinstance(given, str | os.PathLike) else given
        options = {
            name: found.pop(name, None) for name in ("labels", "lengths", "names", "class_names", "subjects", "views")
        }
        dataset = cls(
            clips,
            layout=recognize_layout(layout, num_joints=clips.shape[3], joint_names=joint_names),
            frames=frames,
            center=center,
            per=per,
            body=body,
            align=align,
            arrays={name: values for name, values in found.items() if np.shape(values)[:1] == (len(clips),)},
            **options,
        )
        dataset._mapped_from = Path(path).resolve() if isinstance(clips, np.memmap) else None
        if split is None:
            return dataset
        check_choice(split, ("train", "test"), name="split")
        if train is None or train.dtype != bool:
            raise ValueError(
                "split: the file has no boolean array 'is_train'; name it with keys={'train': ...}, or use subset"
            )
        return dataset.subset(train if split == "train" else ~train)

    def subset(self, selection: ArrayLike) -> Self:
        """Some of the clips, by a boolean mask or by their places; the clips themselves are shared, not copied.

        Args:
            selection: Boolean ``(n,)``, or integers.

        Raises:
            ValueError: a mask of another length, a place that does not exist, or nothing left.
        """
        chosen = np.asarray(selection)
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise ValueError(f"selection: expected a mask of shape ({len(self)},), got {chosen.shape}")
            chosen = np.flatnonzero(chosen)
        if chosen.ndim != 1 or not len(chosen) or not np.issubdtype(chosen.dtype, np.integer):
            raise ValueError(f"selection: expected a mask or places that leave some clips, got {chosen!r}")
        if chosen.min() < 0 or chosen.max() >= len(self):
            raise ValueError(f"selection: expected places in 0..{len(self) - 1}, got {chosen.min()}..{chosen.max()}")
        part = copy.copy(self)
        part._rows = self._rows[chosen]
        part.names = tuple(self.names[row] for row in chosen)
        part.labels = self.labels[torch.from_numpy(chosen)]
        part.subjects = None if self.subjects is None else self.subjects[chosen]
        part.views = None if self.views is None else self.views[chosen]
        part.arrays = {name: values[chosen] for name, values in self.arrays.items()}
        part._lengths = None if self._lengths is None else self._lengths[chosen]
        return part

    def select_joints(self, joints: Sequence[str] | SkeletonLayout) -> Self:
        """The same clips with some of the joints; these are prepared as before, with all joints, and then taken.

        So the joint that is the origin may be left out, and the shoulders that ``align`` turns. The clips themselves
        are shared, not copied.

        Args:
            joints: Names, in the order that the joint axis then has; the layout is that of
                :func:`~skelblocks.layouts.restrict`. Or a layout, which the clips then have, for its joints.

        Raises:
            TypeError: names that are not strings.
            ValueError: a joint that the layout does not have, one named twice, or none.

        Example:
            >>> clips = np.random.default_rng(0).standard_normal((6, 3, 80, 25, 2))
            >>> arm = ArrayDataset(clips, layout="ntu-rgb+d").select_joints(["shoulder_left", "elbow_left"])
            >>> arm.as_tensor().shape
            torch.Size([6, 3, 50, 2, 2])
        """
        names = joints.joints if isinstance(joints, SkeletonLayout) else joints
        restricted = layouts.restrict(self.layout, names)
        part = copy.copy(self)
        part.layout = joints if isinstance(joints, SkeletonLayout) else restricted
        part._joints = np.array([self._clips_layout.index(name) for name in names])
        return part

    def as_tensor(self) -> Tensor:
        """The whole set, prepared: ``(n, c, t, v, m)``, float32."""
        return torch.cat([batch.clip for batch in self.batches(_CHUNK)])

    def batches(
        self,
        batch_size: int,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: torch.Generator | None = None,
    ) -> Iterator[Sample]:
        """Go through the set once, a batch at a time.

        Args:
            batch_size: Clips in a batch.
            shuffle: In a random order, drawn from ``generator``.
            drop_last: Leave out what is left over at the end.
            generator: On the CPU. Default: the global one.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected an integer >= 1, got {batch_size}")
        order = torch.randperm(len(self), generator=generator) if shuffle else torch.arange(len(self))
        for index in torch.split(order, batch_size):
            if len(index) == batch_size or not drop_last:
                yield Sample(self._prepare(index.numpy()), self.labels[index], index)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index: expected a place in 0..{len(self) - 1}, got {index}")
        index = int(index) % len(self)
        return Sample(self._prepare(np.array([index]))[0], self.labels[index], torch.tensor(index))

    def __getstate__(self) -> dict[str, Any]:
        # Workers that are started afresh open the file again; pickling would read all of it.
        return self.__dict__ | ({"_clips": None} if self._mapped_from else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._mapped_from:
            self._clips = read_arrays(self._mapped_from)["clips"]

    def __repr__(self) -> str:
        origin = None if self.center is None else self._clips_layout.joints[self.center]
        return (
            f"{type(self).__name__}({len(self)} clips, {self.num_classes} classes, layout={self.layout.name!r}, "
            f"frames={self.frames}, center={origin!r})"
        )

    def _prepare(self, places: NDArray[Any]) -> Tensor:
        x = np.asarray(self._clips[self._rows[places]], dtype=np.float32)
        if self._search_on_reading:
            check_finite(x, [self.names[place] for place in places])
        lengths = clip_lengths(x) if self._lengths is None else self._lengths[places]
        if self.center is not None:
            x = center_clips(x, joint=self.center, per=self.per, body=self.body)
        if self.frames is not None:
            x = resample(x, self.frames, length=lengths)
        if self.align is not None:
            left, right = (self._clips_layout.index(f"shoulder_{side}") for side in ("left", "right"))
            x = align_view(x, left=left, right=right, mode=self.align)
        if self._joints is not None:
            x = np.take(x, self._joints, axis=3)
        return torch.from_numpy(x)
