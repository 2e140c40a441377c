"""A set of clips held in arrays, preprocessed as it is read.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from typing_extensions import Self

from skelblocks import layouts
from skelblocks._utils.checks import check_choice
from skelblocks._utils.missing import refuse_missing
from skelblocks.clips.flat_settings import take_flat_settings
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data.arrays.array_checks import (
    Part,
    check_clips,
    check_finite,
    check_lengths,
    check_one_per_clip,
    check_places,
    check_seen,
    checked_labels,
    mask_or_places,
)
from skelblocks.data.arrays.check_unit import check_unit
from skelblocks.data.arrays.plausible import warn_if_implausible
from skelblocks.data.arrays.read_arrays import read_arrays
from skelblocks.data.arrays.unseen_joints import SeenClips, place_unseen
from skelblocks.data.clip_set import ClipSet
from skelblocks.data.known_groups import known_groups
from skelblocks.data.split_mask import boolean_mask
from skelblocks.data.steps.preprocess import preprocess
from skelblocks.data.steps.preprocess_mask import preprocess_mask
from skelblocks.data.steps.resample import clip_lengths
from skelblocks.data.steps.vertical import with_known_y
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.recognize_layout import recognize_layout

_CHUNK = 256  # clips prepared at once


class ArrayDataset(ClipSet):
    """Clips in an array, preprocessed when they are read; map style, for ``torch.utils.data.DataLoader``.

    A set that fits into memory needs no loader: :meth:`as_tensor` prepares it once, :meth:`batches` iterates over it.

    Args:
        clips: ``(n, c, t, v, m)``, floating-point, padded with zeros at the end of time and where a person is absent.
        layout: The skeleton of ``clips``: a name, a dict or a layout.
        labels: ``(n,)``, integers from 0. Subtract 1 from labels that start from 1, or there would be an empty class 0.
        lengths: Frames of each clip, ``(n,)``. Default: up to the last frame that is not all zero.
        seen: ``(n, t, v, m)``, true where a joint is seen. Coordinates of unseen joints are ignored, and
            :func:`~skelblocks.data.fill_joints` fills them. Samples then carry the mask of the preprocessed clips.
        preprocessing: Preprocessing of every clip: frames, center, alignment, persons, scale, another skeleton.
            Default: ``Preprocessing()``, 50 frames and the layout's center at the origin, as in the released
            preprocessing.
        names: One name per clip, for messages and reports. Default: its number.
        class_names: One name per class.
        subjects: Subject of each clip, for :func:`~skelblocks.data.cross_subject`.
        views: Camera of each clip, for :func:`~skelblocks.data.cross_view`.
        arrays: Other arrays with one entry per clip. Subsets select from them too.
        **flat: The settings of ``preprocessing`` one by one, such as ``frames=32``: deprecated.

    Attributes:
        labels: int64 tensor ``(n,)``; -1 means no label.
        names: Tuple of strings.
        class_names: Tuple of strings.
        subjects: Array, or None.
        views: Array, or None.
        arrays: A dict of arrays.
        layout: The :class:`~skelblocks.layouts.SkeletonLayout` of the preprocessed clips.
        num_classes: Also of a subset that lacks some of the classes.

    Raises:
        TypeError: Clips, labels or lengths of another kind of number, or masked clips.
        ValueError: Wrong axes, another number of joints than the layout's, an array that has not one entry for each
            clip, a missing label, subject, view or name, labels outside the classes, settings that do not fit, or a
            coordinate that is not finite (the message names the clip). Clips that are mapped from disk are searched for
            those when they are read.

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
        seen: NDArray[np.bool_] | None = None,
        preprocessing: Preprocessing | None = None,
        names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        subjects: ArrayLike | None = None,
        views: ArrayLike | None = None,
        arrays: Mapping[str, ArrayLike] | None = None,
        **flat: Any,
    ) -> None:
        check_clips(clips, masked=isinstance(preprocessing, Preprocessing) and preprocessing.nan == "unseen")
        self._clips_layout = recognize_layout(layouts.get(layout), num_joints=clips.shape[3])
        settings = take_flat_settings(
            preprocessing, flat, function=type(self).__name__, layout=self._clips_layout, default=Preprocessing()
        )
        settings.validate(layout=self._clips_layout, channels=clips.shape[1])
        self.layout = self._prepared_layout = settings.layout_of(self._clips_layout)
        self._preprocessing = settings.for_clips_of(self._clips_layout)
        self._take_clips(clips, seen)
        self._joints: NDArray[Any] | None = None
        self._rows = np.arange(len(clips))
        self._mapped_from: Path | None = None
        self._take_names_and_labels(names, labels, class_names)
        self._take_groups(lengths, subjects, views, arrays)
        self._look_at_clips()

    def _take_clips(self, clips: NDArray[Any], seen: NDArray[np.bool_] | None) -> None:
        check_seen(seen, clips)
        if isinstance(clips, np.ma.MaskedArray):
            clips = clips.filled(np.nan)
        self._clips, self._seen = clips, seen
        self._has_mask = seen is not None or self._preprocessing.nan == "unseen"
        # Clips that are mapped from disk are checked when they are read.
        self._search_on_reading = isinstance(clips, np.memmap)
        if self._has_mask and not self._search_on_reading:
            self._clips, self._seen = self._placed(clips, seen)

    def _placed(self, clips: NDArray[Any], seen: NDArray[np.bool_] | None) -> SeenClips:
        return place_unseen(clips, seen, nan=self._preprocessing.nan == "unseen", layout=self._clips_layout)

    def _take_names_and_labels(
        self, names: Sequence[str] | None, labels: ArrayLike | None, class_names: Sequence[str] | None
    ) -> None:
        names_or_numbers = range(len(self._clips)) if names is None else names
        check_one_per_clip({"names": names_or_numbers}, len(self._clips))
        refuse_missing(names_or_numbers, name="names")
        self.names: tuple[str, ...] = tuple(map(str, names_or_numbers))
        self.class_names: tuple[str, ...] = tuple(map(str, () if class_names is None else class_names))
        self.labels = torch.from_numpy(checked_labels(labels, self.names, named=bool(self.class_names)))
        self.num_classes = len(self.class_names) or int(self.labels.max()) + 1
        if int(self.labels.max()) >= self.num_classes:
            raise ValueError(
                f"labels: expected 0..{self.num_classes - 1}, one of class_names, got {int(self.labels.max())}; name "
                "every class, and subtract 1 from labels that begin with 1"
            )

    def _take_groups(
        self,
        lengths: ArrayLike | None,
        subjects: ArrayLike | None,
        views: ArrayLike | None,
        arrays: Mapping[str, ArrayLike] | None,
    ) -> None:
        n, arrays_by_name = len(self._clips), {"lengths": lengths, "subjects": subjects, "views": views}
        for name, values in arrays_by_name.items():
            if values is not None:
                check_one_per_clip({name: values}, n)
                refuse_missing(values, name=name, names=self.names)
        self._lengths = None if lengths is None else np.asarray(lengths)
        self.subjects = None if subjects is None else np.asarray(subjects)
        self.views = None if views is None else np.asarray(views)
        check_lengths(self._lengths, frames=self._clips.shape[2])
        check_one_per_clip(arrays or {}, n)
        # A masked array keeps its mask, so that `groups` finds what is missing.
        self.arrays: dict[str, NDArray[Any]] = {name: np.asanyarray(values) for name, values in (arrays or {}).items()}

    def _look_at_clips(self) -> None:
        if not self._search_on_reading:
            for start in range(0, len(self._clips), _CHUNK):
                rows = slice(start, start + _CHUNK)
                check_finite(self._clips[rows], self.names[rows])
        self._preprocessing = with_known_y(self._preprocessing, self._clips, layout=self._clips_layout, seen=self._seen)
        check_unit(self._clips, layout=self._clips_layout, preprocessing=self._preprocessing)
        warn_if_implausible(self._clips, self._clips_layout, self._preprocessing)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
        keys: Mapping[str, str] | None = None,
        labels: ArrayLike | str | os.PathLike[str] | None = None,
        lengths: ArrayLike | str | os.PathLike[str] | None = None,
        split: Part | None = None,
        preprocessing: Preprocessing | None = None,
        **flat: Any,
    ) -> Self:
        """Open a set in a ``.npz`` or ``.npy`` file.

        Args:
            path: The file; a ``.npy`` file is mapped, not read. See :func:`~skelblocks.data.read_arrays`.
            layout: The skeleton. Default: the known layout with the file's joint names in the same order.
            keys: Names of the arrays in the file, such as ``{"clips": "data"}``, if they differ from the defaults.
            labels: Instead of the file's own, as an array or a ``.npy`` file.
            lengths: Instead of the file's own, as an array or a ``.npy`` file.
            split: ``"train"`` or ``"test"``: this part by the file's ``is_train``. Use :meth:`subset` for other splits.
                Default: all clips.
            preprocessing: As for the class.
            **flat: As for the class: deprecated.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: An array that is missing or wrong, or a layout that differs from the file's; also as
                for the class.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     np.save(f"{folder}/clips.npy", np.ones((4, 3, 20, 25, 1), dtype=np.float32))
            ...     ArrayDataset.from_file(f"{folder}/clips.npy", layout="ntu-rgb+d", labels=[0, 0, 1, 1])
            ArrayDataset(4 clips, 2 classes, layout='ntu-rgb+d', frames=50, center='spine_shoulder')
        """
        if split is not None:
            check_choice(split, get_args(Part), name="split")
        found: dict[str, Any] = read_arrays(path, keys=keys)
        clips = found.pop("clips")
        check_clips(clips)
        skeleton = recognize_layout(
            layout, num_joints=clips.shape[3], joint_names=[str(name) for name in found.pop("joint_names", ())]
        )
        settings = take_flat_settings(
            preprocessing, flat, function=f"{cls.__name__}.from_file", layout=skeleton, default=Preprocessing()
        )
        for name, other in (("labels", labels), ("lengths", lengths)):
            if other is not None:
                found[name] = read_arrays(other)["clips"] if isinstance(other, str | os.PathLike) else other
        options = {
            name: found.pop(name, None)
            for name in ("labels", "lengths", "seen", "names", "class_names", "subjects", "views")
        }
        arrays = {name: values for name, values in found.items() if np.shape(values)[:1] == (len(clips),)}
        dataset = cls(clips, layout=skeleton, preprocessing=settings, arrays=arrays, **options)
        dataset._mapped_from = Path(path).resolve() if isinstance(clips, np.memmap) else None
        return dataset if split is None else dataset._part(split)

    def _part(self, split: Part) -> Self:
        if "train" not in self.arrays:
            there = ", ".join(self.group_names) or "nothing to split by"
            raise ValueError(
                f"split: expected an array 'is_train', but the file has {there}; read all clips and choose some with "
                "subset, or name the array with keys={'train': ...}; on a command line omit --part"
            )
        train = boolean_mask(self.arrays["train"], name="is_train", names=self.names)
        return self.subset(train if split == "train" else ~train)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of every clip, ``(c, t, v, m)``."""
        settings = self._preprocessing
        c, t, _, m = self._clips.shape[1:]
        c = settings.channels_of(c)
        frames = t if settings.frames is None else settings.frames
        return c, frames, self.layout.num_joints, m if settings.persons is None else settings.persons

    @property
    def preprocessing(self) -> Preprocessing | None:
        """The preprocessing of every clip; None after :meth:`select_joints`, because it uses all joints.

        This is the constructor's argument with ``y="auto"`` decided, and with the ``source`` that ``to`` remaps.
        """
        return self._preprocessing if self._joints is None else None

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names that :meth:`groups` accepts."""
        own = [name for name, values in (("subject", self.subjects), ("view", self.views)) if values is not None]
        return (*own, *self.arrays)

    def groups(self, name: str) -> NDArray[Any]:
        """One value for each clip: ``"subject"``, ``"view"``, or one of ``arrays`` such as ``"fold"``.

        Raises:
            ValueError: An array that the set does not have, or one with a missing or negative value (the message names
                the clip).

        Example:
            >>> x = np.ones((2, 3, 20, 25, 1))
            >>> ArrayDataset(x, layout="ntu-rgb+d", arrays={"fold": [0, 1]}).groups("fold")
            array([0, 1])
        """
        check_choice(name, self.group_names, name="name")
        known = {"subject": self.subjects, "view": self.views}
        values = known.get(name)
        found = self.arrays[name] if values is None else values
        return known_groups(found, name=name, names=self.names)

    def subset(self, selection: ArrayLike) -> Self:
        """Select clips by a boolean mask or by index. The clips are shared, not copied.

        Args:
            selection: Boolean ``(n,)``, or integers.

        Raises:
            ValueError: A mask of another length, an index that does not exist, or nothing left.
        """
        chosen = mask_or_places(selection, len(self))
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
        """Keep only some of the joints. Clips are still preprocessed with all joints; then the joints are selected.

        So the center joint and the shoulders that ``align`` needs may be left out. The clips are shared, not copied.

        Args:
            joints: Joint names in the new order, which give the layout of :func:`~skelblocks.layouts.restrict`. Or a
                layout, which the clips then have.

        Raises:
            TypeError: Names that are not strings.
            ValueError: A joint that the layout does not have, one named twice, or none.

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
        part._joints = np.array([self._prepared_layout.index(name) for name in names])
        return part

    def as_tensor(self) -> Tensor:
        """The whole preprocessed set, ``(n, c, t, v, m)``, float32."""
        return torch.cat([batch.clip for batch in self.batches(_CHUNK)])

    def batch(self, indices: ArrayLike) -> Tensor:
        """Some of the clips, in the requested order.

        Args:
            indices: Indices of the clips in the set, integers ``(n,)``.

        Returns:
            ``(n, c, t, v, m)`` float32.

        Raises:
            ValueError: Wrong axes, numbers that are not integers, or an index out of range.
        """
        return self._prepare(check_places(indices, len(self)))

    def seen(self, indices: ArrayLike) -> Tensor | None:
        """Which joints of some of the clips are seen, in the requested order.

        Args:
            indices: Indices of the clips in the set, integers ``(n,)``.

        Returns:
            ``(n, t, v, m)`` boolean; None if neither ``seen`` nor ``Preprocessing(nan="unseen")`` was given.

        Raises:
            ValueError: As for :meth:`batch`.
        """
        places = check_places(indices, len(self))
        if not self._has_mask:
            return None
        clips, seen = self._read(places)
        assert seen is not None
        lengths = clip_lengths(clips) if self._lengths is None else self._lengths[places]
        mask = preprocess_mask(seen, layout=self._clips_layout, preprocessing=self._preprocessing, lengths=lengths)
        return torch.from_numpy(mask if self._joints is None else np.take(mask, self._joints, axis=2))

    def __len__(self) -> int:
        return len(self._rows)

    def __getstate__(self) -> dict[str, Any]:
        # New worker processes open the file again; pickling the clips would read the whole file.
        return self.__dict__ | ({"_clips": None} if self._mapped_from else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._mapped_from:
            self._clips = read_arrays(self._mapped_from)["clips"]

    def __repr__(self) -> str:
        joint = self._preprocessing.center_joint(self._prepared_layout)
        origin = None if joint is None else self._prepared_layout.joints[joint]
        return (
            f"{type(self).__name__}({len(self)} clips, {self.num_classes} classes, layout={self.layout.name!r}, "
            f"frames={self._preprocessing.frames}, center={origin!r})"
        )

    def _read(self, places: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """Recorded clips and masks, with every joint filled."""
        rows = self._rows[places]
        x = np.asarray(self._clips[rows], dtype=np.float32)
        seen = None if self._seen is None else self._seen[rows]
        if self._search_on_reading:
            if self._has_mask:
                x, seen = self._placed(x, seen)
            check_finite(x, [self.names[place] for place in places])
        return x, seen

    def _prepare(self, places: NDArray[np.int64]) -> Tensor:
        x, seen = self._read(places)
        x = preprocess(
            x,
            layout=self._clips_layout,
            preprocessing=self._preprocessing,
            lengths=None if self._lengths is None else self._lengths[places],
            names=[self.names[place] for place in places],
            seen=seen,
        )
        if self._joints is not None:
            x = np.take(x, self._joints, axis=3)
        return torch.from_numpy(x)
