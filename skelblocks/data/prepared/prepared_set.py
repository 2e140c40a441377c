"""Prepared sets: folders of mapped arrays, from which whole batches are taken.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from skelblocks import layouts
from skelblocks._utils.checks import check_choice, check_integer
from skelblocks.clips.raw_clip import ClipFormatError
from skelblocks.clips.sample import Sample
from skelblocks.data.prepared import prepared_files as files
from skelblocks.layouts import SkeletonLayout

PARTS = {"train": 1, "test": 0}


class PreparedSet(Dataset[Sample]):
    """A set that :func:`~skelblocks.data.prepare` has written; clips are mapped from disk, and may exceed the memory.

    Map style, for ``torch.utils.data.DataLoader``; :meth:`batches` needs none. It pickles by its folder.

    Args:
        folder: That of its ``manifest.json``.
        part: ``"train"`` or ``"test"`` for that part by the set's protocol. Default: everything, in neither part too.

    Attributes:
        names: Of the clips.
        labels: int64 tensor ``(n,)``, -1 where a label is not known.
        origin: Arrays ``(n,)`` such as ``"subject"``, counted as the owner counts; -1 where it is not known.
        layout: The :class:`~skelblocks.layouts.SkeletonLayout`.
        class_names: A tuple, empty where they are not known.
        num_classes: Of the whole set, also for a part that lacks some of the classes.
        manifest: All that the file says: counts, settings, hashes, rejected files with their reasons.

    Raises:
        FileNotFoundError: there is no manifest, as in a folder whose preparation is unfinished.
        ClipFormatError: a damaged set.
        ValueError: an unknown part, or one that is empty.

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

    def __init__(self, folder: str | os.PathLike[str], part: str | None = None) -> None:
        self.folder, self.part = Path(folder), part
        check_choice(part, (None, *PARTS), name="part")
        manifest = self.folder / files.MANIFEST
        if not manifest.is_file():
            more = "; its preparation is unfinished: run it again" if (self.folder / files.UNFINISHED).is_dir() else ""
            raise FileNotFoundError(f"folder: there is no prepared set in {str(self.folder)!r}{more}")
        self.manifest = files.read_json(manifest)
        index = self._open()
        chosen = np.arange(len(index)) if part is None else np.flatnonzero(index["part"] == PARTS[part])
        if not len(chosen):
            protocol = self.manifest["protocol"]
            why = f"the set's protocol is {protocol!r}" if protocol else "prepare it again with a protocol"
            raise ValueError(f"part: no clip is in {part!r} of {str(self.folder)!r}; {why}")
        self.names = tuple(map(str, index["name"][chosen].tolist()))
        self.labels = torch.from_numpy(index["label"][chosen].astype(np.int64))
        self.origin = {
            name.removeprefix(files.ORIGIN): index[name][chosen]
            for name in index.dtype.names or ()
            if name.startswith(files.ORIGIN)
        }
        self.num_classes = len(self.class_names) or int(index["label"].max()) + 1
        self._shard, self._row = index["shard"][chosen], index["row"][chosen]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(c, t, v, m)``."""
        return self._shape

    def batch(self, indices: ArrayLike) -> Tensor:
        """Some of the clips, in the order asked for.

        Args:
            indices: Places in the set, ``(n,)`` integers.

        Returns:
            ``(n, c, t, v, m)`` float32, a copy.

        Raises:
            ValueError: other axes, numbers that are not integers, or a place that there is not.
        """
        places = np.asarray(indices)
        if places.ndim != 1 or not len(places) or not np.issubdtype(places.dtype, np.integer):
            raise ValueError(f"indices: expected integers (n,), n at least 1, got {places.dtype} {places.shape}")
        if places.min() < 0 or places.max() >= len(self):
            raise ValueError(f"indices: expected places in 0..{len(self) - 1}, got {places.min()}..{places.max()}")
        shard, row = self._shard[places], self._row[places]
        order = np.argsort(shard, kind="stable")
        out = np.empty((len(places), *self._shape), dtype=np.float32)
        for group in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            out[group] = self._shards[shard[group[0]]][row[group]]
        return torch.from_numpy(out)

    def batches(
        self,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
        shuffle: bool = True,
        drop_last: bool = True,
    ) -> Iterator[Sample]:
        """Go through an epoch, or on with it, a batch at a time; the same arguments give the same batches.

        A step takes ``batch_size * world_size`` clips of the epoch's order, and each rank its share of them; so the
        clips of a step are the same for any number of ranks of the same total.

        Args:
            batch_size: Clips in a batch of one rank.
            seed: Of the order, with ``epoch``.
            epoch: Each has another order.
            rank: Which of the processes this is.
            world_size: How many there are.
            start: Steps to leave out at the beginning, those of this epoch that are done.
            shuffle: False goes through the set in its own order.
            drop_last: False shares out what is left over at the end; should fewer clips be left than there are ranks,
                the last ranks have a step less.

        Raises:
            TypeError: a number that is not an integer.
            ValueError: one outside its range, a ``start`` after the end, or not one whole step.
        """
        numbers = {"batch_size": batch_size, "seed": seed, "epoch": epoch, "world_size": world_size, "start": start}
        for name, value in {**numbers, "rank": rank}.items():
            check_integer(value, name=name, least=1 if name in ("batch_size", "world_size") else 0)
        if rank >= world_size:
            raise ValueError(f"rank: expected 0..{world_size - 1}, got {rank}")
        step = batch_size * world_size
        steps = len(self) // step if drop_last else -(-len(self) // step)
        if not steps:
            raise ValueError(f"batch_size: expected {step} clips for a step, got a set of {len(self)}; drop_last=False")
        if start > steps:
            raise ValueError(f"start: expected 0..{steps}, the steps of the epoch, got {start}")
        order = np.arange(len(self))
        if shuffle:
            np.random.default_rng([seed, epoch]).shuffle(order)
        shares = (np.array_split(order[step * i : step * (i + 1)], world_size)[rank] for i in range(start, steps))
        return (self._sample(share) for share in shares if len(share))

    def verify(self) -> None:
        """Read every file and compare it with its sha256; ``ClipFormatError`` for one that is not as it was written."""
        for name, digest in self._digests.items():
            if files.sha256(self.folder / Path(name).name) != digest:
                raise ClipFormatError(self.folder / name, "not what was written; prepare the set again")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index: expected a place in 0..{len(self) - 1}, got {index}")
        place = int(index) % len(self)
        return Sample(self.batch([place])[0], self.labels[place], torch.tensor(place))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the folder: worker processes map the files again."""
        return type(self), (self.folder, self.part)

    def __repr__(self) -> str:
        part = "" if self.part is None else f", part={self.part!r}"
        return f"{type(self).__name__}({len(self)} clips {self._shape}, {self.num_classes} classes{part})"

    def _sample(self, places: NDArray[np.int64]) -> Sample:
        index = torch.from_numpy(places.copy())
        return Sample(self.batch(places), self.labels[index], index)

    def _open(self) -> NDArray[Any]:
        """Map the files that the manifest names, and check that they belong together."""
        path, content = self.folder / files.MANIFEST, self.manifest
        if (content.get("format"), content.get("version")) != (files.FORMAT, files.VERSION):
            raise ClipFormatError(path, f"expected a {files.FORMAT!r}, version {files.VERSION}")
        try:
            self.layout = _in_order(layouts.get(content["settings"]["layout"]))
            self.class_names = tuple(map(str, content["class_names"] or ()))
            self._shape = tuple(int(size) for size in content["shape"])
            shards = [(Path(entry["file"]).name, int(entry["clips"])) for entry in content["shards"]]
            index_path = self.folder / Path(content["index"]["file"]).name
            self._digests = {entry["file"]: entry["sha256"] for entry in (*content["shards"], content["index"])}
            _ = content["protocol"], content["rejected"]
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ClipFormatError(path, f"damaged: {type(error).__name__} {str(error)[:120]}") from error
        self._shards = [files.map_array(self.folder / name) for name, _ in shards]
        for (name, n), shard in zip(shards, self._shards, strict=True):
            if shard.dtype != np.float32 or shard.shape != (n, *self._shape):
                expected = f"expected float32 {(n, *self._shape)}, as in the manifest"
                raise ClipFormatError(self.folder / name, f"{expected}, got {shard.dtype} {shard.shape}")
        index = files.map_array(index_path)
        sizes = np.array([n for _, n in shards], dtype=np.int64)
        if index.ndim != 1 or not {"name", "label", "part", "shard", "row"} <= set(index.dtype.names or ()):
            raise ClipFormatError(index_path, f"expected records of clips, got {index.dtype} {index.shape}")
        kinds = {name: index.dtype[name].kind for name in index.dtype.names or ()}
        if kinds.pop("name") != "U" or set(kinds.values()) != {"i"} or len(index) != sizes.sum() or not len(index):
            raise ClipFormatError(index_path, f"expected {sizes.sum()} records of a name and integers")
        letters = index["name"].astype(f"U{max(1, index.dtype['name'].itemsize // 4)}").view(np.uint32)
        if letters.max() > sys.maxunicode:  # numpy lets them through, and strings of them break later
            raise ClipFormatError(index_path, "a name that is no text")
        shard_of, row = index["shard"], index["row"]
        if shard_of.min() < 0 or shard_of.max() >= len(sizes) or row.min() < 0 or (row >= sizes[shard_of]).any():
            raise ClipFormatError(index_path, "a clip that is in no shard")
        return index


def _in_order(layout: SkeletonLayout) -> SkeletonLayout:
    """A known layout with its own order of parts and bodies, which manifests once kept by the alphabet."""
    known = layouts.get(layout.name) if layout.name in layouts.available() else layout
    return known if known.to_dict() == layout.to_dict() else layout  # dicts are equal in any order
