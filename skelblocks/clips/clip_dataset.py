"""What every data set of clips offers, whether its clips are in memory or in files.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from typing_extensions import Self

from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.clips.sample import Sample
from skelblocks.layouts import SkeletonLayout


@runtime_checkable
class ClipDataset(Protocol):
    """Clips of one skeleton and one shape, preprocessed in one way, with their labels.

    :class:`~skelblocks.data.ArrayDataset` and :class:`~skelblocks.data.PreparedSet` are such data sets, and so is a
    class of your own with these attributes and methods. :func:`~skelblocks.clips.batches` goes through one.
    """

    @property
    def layout(self) -> SkeletonLayout:
        """The skeleton."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every clip, ``(c, t, v, m)``."""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What was done to the clips; None where it is not known, or cannot be done with the joints of ``layout``."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the clips, ``n`` of them."""

    @property
    def labels(self) -> Tensor:
        """int64 ``(n,)``; -1 where a label is not known."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the classes; empty where they are not known."""

    @property
    def num_classes(self) -> int:
        """Of the whole set, also for a part that lacks some of the classes."""

    @property
    def group_names(self) -> tuple[str, ...]:
        """What :meth:`groups` knows, such as ``"subject"``, ``"view"`` or ``"fold"``."""

    def groups(self, name: str) -> NDArray[Any]:
        """One value for each clip, ``(n,)``: its subject, view, fold, ...; ``ValueError`` where it is not known."""

    def batch(self, indices: ArrayLike) -> Tensor:
        """The clips at these places, in this order: ``(n, c, t, v, m)``, float32."""

    def subset(self, selection: ArrayLike) -> Self:
        """Some of the clips, by a boolean mask or by their places."""

    def __len__(self) -> int:
        """How many clips there are."""

    def __getitem__(self, index: int) -> Sample:
        """One clip."""
