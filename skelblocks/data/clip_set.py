"""The base of this package's data sets: single clips and epochs, made from whole batches.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import Dataset

from skelblocks.clips.batches import batches
from skelblocks.clips.sample import Sample


class ClipSet(Dataset[Sample]):
    """Base of a data set that can return any of its clips as a batch.

    A subclass has ``labels``, writes :meth:`batch` and ``__len__``, and satisfies
    :class:`~skelblocks.clips.ClipDataset` with the rest of its attributes.
    """

    labels: Tensor

    @abstractmethod
    def batch(self, indices: ArrayLike) -> Tensor:
        """Some of the clips, ``(n, c, t, v, m)``, in the requested order."""

    def seen(self, indices: ArrayLike) -> Tensor | None:
        """Which joints of these clips are seen, ``(n, t, v, m)`` boolean; None if the set does not say."""
        return None

    @abstractmethod
    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index: expected an integer in 0..{len(self) - 1}, got {index}")
        place = int(index) % len(self)
        seen = self.seen([place])
        clip, label = self.batch([place])[0], self.labels[place]
        return Sample(clip, label, torch.tensor(place), seen=None if seen is None else seen[0])

    def batches(
        self,
        batch_size: int,
        *,
        shuffle: bool | None = None,
        drop_last: bool | None = None,
        generator: torch.Generator | None = None,
        seed: int | None = None,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
        ahead: int = 0,
    ) -> Iterator[Sample]:
        """Iterate over an epoch in batches: :func:`skelblocks.clips.batches` of this set, with the same arguments."""
        return batches(
            self,  # type: ignore[arg-type]  # a subclass has the attributes of the protocol
            batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            generator=generator,
            seed=seed,
            epoch=epoch,
            rank=rank,
            world_size=world_size,
            start=start,
            ahead=ahead,
        )
