"""The interface of every data set of clips, in memory or in files.

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
    """Clips with one skeleton, one shape and one preprocessing, and their labels.

    :class:`~skelblocks.data.ArrayDataset` and :class:`~skelblocks.data.PreparedSet` are such data sets. So is any class
    of your own with these attributes and methods. :func:`~skelblocks.clips.batches` iterates over one.
    """

    @property
    def layout(self) -> SkeletonLayout:
        """The skeleton."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of every clip, ``(c, t, v, m)``."""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """The preprocessing of the clips, or None if it is unknown or not possible with the joints of ``layout``."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the ``n`` clips."""

    @property
    def labels(self) -> Tensor:
        """The labels, int64 ``(n,)``; -1 if a label is not known."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, or an empty tuple if they are not known."""

    @property
    def num_classes(self) -> int:
        """The number of classes of the whole set, even if a subset lacks some of them."""

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names that :meth:`groups` accepts, such as ``"subject"``, ``"view"`` or ``"fold"``."""

    def groups(self, name: str) -> NDArray[Any]:
        """One value per clip, ``(n,)``: its subject, view, or fold. Raise ``ValueError`` for an unknown name."""

    def batch(self, indices: ArrayLike) -> Tensor:
        """The clips at these indices, in this order: ``(n, c, t, v, m)``, float32."""

    def subset(self, selection: ArrayLike) -> Self:
        """A subset of the clips, selected by a boolean mask or by indices."""

    def __len__(self) -> int:
        """The number of clips."""

    def __getitem__(self, index: int) -> Sample:
        """One clip."""
