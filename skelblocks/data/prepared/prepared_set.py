"""Prepared sets: folders of mapped arrays that are read in whole batches.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from typing_extensions import Self

from skelblocks import layouts
from skelblocks._utils.checks import check_choice
from skelblocks._utils.escape import escape
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.data.arrays.array_checks import Part, check_places, mask_or_places
from skelblocks.data.clip_set import ClipSet
from skelblocks.data.prepared import prepared_files as files
from skelblocks.data.prepared.clip_preparation import ClipPreparation
from skelblocks.layouts import SkeletonLayout

PARTS: Mapping[Part, int] = {"train": 1, "test": 0}


class PreparedSet(ClipSet):
    """A set that :func:`~skelblocks.data.prepare` has written; clips are mapped from disk, and may exceed the memory.

    Map style, for ``torch.utils.data.DataLoader``; :meth:`batches` needs none. It pickles by its folder.

    Args:
        folder: The folder with ``manifest.json``.
        part: ``"train"`` or ``"test"``: this part by the set's protocol. Default: all clips, including those in neither
            part.

    Attributes:
        names: Names of the clips.
        labels: int64 tensor ``(n,)``, -1 where a label is not known.
        origin: Arrays ``(n,)`` such as ``"subject"``, counted as in the original data set; -1 where it is not known.
        layout: The :class:`~skelblocks.layouts.SkeletonLayout` of the prepared clips.
        class_names: A tuple, empty if they are not known.
        num_classes: Number of classes of the whole set, also for a part that lacks some of them.
        manifest: All that the file says: counts, settings, hashes, rejected files with their reasons.

    Raises:
        FileNotFoundError: There is no manifest, as in a folder whose preparation is unfinished.
        ClipFormatError: A damaged set.
        ValueError: An unknown part, or one that is empty.

    Example:
        >>> import tempfile
        >>> from skelblocks.data import find_clips, prepare
        >>> from skelblocks.testing import write_nw_ucla
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = write_nw_ucla(f"{folder}/raw", clips=6)
        ...     found = find_clips("nw-ucla", f"{folder}/raw", protocol="xview")
        ...     _ = prepare(found.clips, out=f"{folder}/set", layout=found.layout, protocol="xview", part=found.part)
        ...     dataset = PreparedSet(f"{folder}/set", part="train")
        ...     shape = dataset.batch([3, 0]).shape
        ...     steps = [batch.label.tolist() for batch in dataset.batches(2, seed=0, epoch=0)]
        ...     del dataset  # Windows removes no file that is mapped
        >>> shape, steps
        (torch.Size([2, 3, 50, 20, 2]), [[3, 0], [1, 4]])
    """

    def __init__(self, folder: str | os.PathLike[str], part: Part | None = None) -> None:
        self.folder, self.part = Path(folder), part
        check_choice(part, (None, *PARTS), name="part")
        manifest = self.folder / files.MANIFEST
        if not manifest.is_file():
            unfinished = (self.folder / files.UNFINISHED).is_dir()
            more = (
                "; its preparation is unfinished: run it again"
                if unfinished
                else "; name a folder that skelblocks prepare has written"
            )
            raise FileNotFoundError(f"folder: there is no prepared set in {escape(self.folder)!r}{more}")
        self.manifest = files.read_json(manifest)
        index = self._open()
        chosen = np.arange(len(index)) if part is None else np.flatnonzero(index["part"] == PARTS[part])
        if not len(chosen):
            protocol = self.manifest["protocol"]
            why = f"the set's protocol is {escape(protocol)!r}" if protocol else "prepare it again with a protocol"
            raise ValueError(f"part: no clip is in {part!r} of {escape(self.folder)!r}; {why}")
        self.num_classes = len(self.class_names) or int(index["label"].max()) + 1
        self.names: tuple[str, ...] = tuple(map(str, index["name"].tolist()))
        self.labels = torch.from_numpy(index["label"].astype(np.int64))
        self.origin: dict[str, NDArray[np.int64]] = {
            name.removeprefix(files.ORIGIN): index[name]
            for name in index.dtype.names or ()
            if name.startswith(files.ORIGIN)
        }
        self._shard, self._row = index["shard"], index["row"]
        self._rows, self._is_subset = chosen, False
        self._take(chosen)

    def _take(self, chosen: NDArray[Any]) -> None:
        """Keep these of the clips."""
        self.names = tuple(self.names[row] for row in chosen.tolist())
        self.labels = self.labels[torch.from_numpy(chosen)]
        self.origin = {name: values[chosen] for name, values in self.origin.items()}
        self._shard, self._row = self._shard[chosen], self._row[chosen]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(c, t, v, m)``."""
        return self._shape

    @property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing of the clips, from the manifest."""
        return self._preprocessing

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names that :meth:`groups` accepts: the names of ``origin``."""
        return tuple(self.origin)

    @property
    def origin_names(self) -> dict[str, tuple[str, ...]]:
        """Names of the numbers in ``origin``, such as the name of each ``"recording"``; empty if there are none."""
        names = self.manifest.get("origin_names")
        if not isinstance(names, dict):
            return {}
        return {key: tuple(map(str, some)) for key, some in names.items() if isinstance(some, list)}

    def groups(self, name: str) -> NDArray[np.int64]:
        """One number for each clip, such as its ``"subject"``; -1 where it is not known.

        Raises:
            ValueError: A name that the set's origin does not have.
        """
        check_choice(name, self.group_names, name="name")
        return self.origin[name]

    def subset(self, selection: ArrayLike) -> Self:
        """Select clips by a boolean mask or by index. The files are shared.

        Args:
            selection: Boolean ``(n,)``, or integers.

        Raises:
            ValueError: A mask of another length, an index that does not exist, or nothing left.
        """
        chosen = mask_or_places(selection, len(self))
        subset = object.__new__(type(self))
        subset.__dict__.update(self.__dict__)  # a copy, which would map the files again, is not needed
        subset._rows, subset._is_subset = self._rows[chosen], True
        subset._take(chosen)
        return subset

    @property
    def digest(self) -> str | None:
        """A sha256 of the clips from the digests in the manifest; None for a subclass, which may return other clips."""
        if type(self) is not PreparedSet:
            return None
        rows = hashlib.sha256(self._rows.astype("<i8").tobytes()).hexdigest()
        return hashlib.sha256(repr(("prepared set", self.manifest["sha256"], rows)).encode()).hexdigest()

    def batch(self, indices: ArrayLike) -> Tensor:
        """Some of the clips, in the requested order.

        Args:
            indices: Indices of the clips in the set, integers ``(n,)``.

        Returns:
            ``(n, c, t, v, m)`` float32, a copy.

        Raises:
            ValueError: Wrong axes, numbers that are not integers, or an index out of range.
        """
        places = check_places(indices, len(self))
        shard, row = self._shard[places], self._row[places]
        order = np.argsort(shard, kind="stable")
        out = np.empty((len(places), *self._shape), dtype=np.float32)
        for group in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            out[group] = self._shards[shard[group[0]]][row[group]]
        return torch.from_numpy(out)

    def seen(self, indices: ArrayLike) -> Tensor | None:
        """Which joints of some of the clips are seen, in the requested order.

        Args:
            indices: Indices of the clips in the set, integers ``(n,)``.

        Returns:
            ``(n, t, v, m)`` boolean; None if no raw clip told of joints.

        Raises:
            ValueError: As for :meth:`batch`.
        """
        places = check_places(indices, len(self))
        if not any(mask is not None for mask in self._masks):
            return None
        shape = self._shape[1:]
        seen = np.empty((len(places), *shape), dtype=np.bool_)
        for i, (shard, row) in enumerate(zip(self._shard[places], self._row[places], strict=True)):
            mask = self._masks[shard]
            if mask is None:  # all joints of persons who are there
                seen[i] = (self._shards[shard][row] != 0).any(axis=(0, 2))[:, None]
            else:
                seen[i] = np.unpackbits(mask[row], count=seen[i].size).reshape(shape)
        return torch.from_numpy(seen)

    def verify(self) -> None:
        """Read every file and compare it with its sha256, and compare the manifest's settings with each shard's.

        Raises:
            ClipFormatError: A file, or a setting in the manifest, that is not what was written.
        """
        path, plan = self.folder / files.MANIFEST, self.manifest.get("plan_sha256")
        if self.manifest["version"] > 1 and plan != files.plan_sha256(self.manifest):
            raise ClipFormatError(path, "its settings differ from the preparation's settings; prepare the set again")
        for entry in self.manifest["shards"]:
            if entry.get("plan") != plan:
                raise ClipFormatError(path, f"{entry['file']} is of another preparation; prepare the set again")
        for name, digest in self._digests.items():
            if files.sha256(self.folder / Path(name).name) != digest:
                raise ClipFormatError(self.folder / name, "not what was written; prepare the set again")

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the folder: worker processes map the files again."""
        return _open_again, (type(self), self.folder, self.part, self._rows if self._is_subset else None)

    def __repr__(self) -> str:
        part = "" if self.part is None else f", part={self.part!r}"
        return f"{type(self).__name__}({len(self)} clips {self._shape}, {self.num_classes} classes{part})"

    def _open(self) -> NDArray[Any]:
        """Map the files that the manifest names, and check that they belong together."""
        path, content = self.folder / files.MANIFEST, self.manifest
        if content.get("format") != files.FORMAT or content.get("version") not in files.READABLE:
            versions = " or ".join(map(str, files.READABLE))
            raise ClipFormatError(path, f"expected a {files.FORMAT!r}, version {versions}; prepare the set again")
        try:
            recorded = _in_order(layouts.get(content["settings"]["layout"]))
            preparation = ClipPreparation.from_dict(content["settings"], layout=recorded)
            self.layout = preparation.skeleton
            self._preprocessing = preparation.preprocessing
            self.class_names = tuple(map(str, content["class_names"] or ()))
            self._shape = tuple(int(size) for size in content["shape"])
            if self._shape != preparation.shape:
                raise ValueError(f"shape {self._shape} and settings of {preparation.shape}")
            shards = [(Path(entry["file"]).name, int(entry["clips"])) for entry in content["shards"]]
            index_path = self.folder / Path(content["index"]["file"]).name
            masks = [entry.get("seen") for entry in content["shards"]]
            mask_names = [None if entry is None else Path(entry["file"]).name for entry in masks]
            hashed = (*content["shards"], *(entry for entry in masks if entry is not None), content["index"])
            self._digests = {entry["file"]: entry["sha256"] for entry in hashed}
            _ = content["protocol"], content["rejected"][:0], content["sha256"][:0]
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ClipFormatError(
                path, f"damaged: {type(error).__name__} {str(error)[:120]}; prepare the set again"
            ) from error
        self._shards = [files.map_array(self.folder / name) for name, _ in shards]
        for (name, n), shard in zip(shards, self._shards, strict=True):
            if shard.dtype != np.float32 or shard.shape != (n, *self._shape):
                expected = f"expected float32 {(n, *self._shape)}, as in the manifest"
                raise ClipFormatError(
                    self.folder / name, f"{expected}, got {shard.dtype} {shard.shape}; prepare the set again"
                )
        self._masks = [None if name is None else files.map_array(self.folder / name) for name in mask_names]
        width = -(-int(np.prod(self._shape[1:])) // 8)
        for (_, n), file, mask in zip(shards, mask_names, self._masks, strict=True):
            if mask is not None and (mask.dtype != np.uint8 or mask.shape != (n, width)):
                expected = f"expected uint8 {(n, width)}, the bits of the seen joints"
                raise ClipFormatError(
                    self.folder / str(file), f"{expected}, got {mask.dtype} {mask.shape}; prepare the set again"
                )
        index = files.map_array(index_path)
        sizes = np.array([n for _, n in shards], dtype=np.int64)
        if index.ndim != 1 or not {"name", "label", "part", "shard", "row"} <= set(index.dtype.names or ()):
            raise ClipFormatError(
                index_path, f"expected records of clips, got {index.dtype} {index.shape}; prepare the set again"
            )
        kinds = {name: index.dtype[name].kind for name in index.dtype.names or ()}
        if kinds.pop("name") != "U" or set(kinds.values()) != {"i"} or len(index) != sizes.sum() or not len(index):
            raise ClipFormatError(
                index_path, f"expected {sizes.sum()} records of a name and integers; prepare the set again"
            )
        letters = index["name"].astype(f"U{max(1, index.dtype['name'].itemsize // 4)}").view(np.uint32)
        if letters.max() > sys.maxunicode:  # numpy lets them through, and strings of them break later
            raise ClipFormatError(index_path, "a name that is no text; prepare the set again")
        shard_of, row = index["shard"], index["row"]
        if shard_of.min() < 0 or shard_of.max() >= len(sizes) or row.min() < 0 or (row >= sizes[shard_of]).any():
            raise ClipFormatError(index_path, "a clip that is in no shard; prepare the set again")
        return index


def _open_again(
    kind: type[PreparedSet], folder: Path, part: Part | None, rows: NDArray[np.int64] | None
) -> PreparedSet:
    if rows is None:
        return kind(folder, part)
    subset = kind(folder).subset(rows)
    subset.part = part
    return subset


def _in_order(layout: SkeletonLayout) -> SkeletonLayout:
    """A known layout with its own order of parts and bodies, which manifests once kept by the alphabet."""
    known = layouts.get(layout.name) if layout.name in layouts.available() else layout
    return known if known.to_dict() == layout.to_dict() else layout  # dicts are equal in any order
