"""A file of many raw clips as a sequence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

from skelblocks.clips.raw_clip import RawClip


class RawClips(Sequence[RawClip]):
    """A sequence of clips that are read on access. A subclass implements ``__len__`` and :meth:`read`.

    Accessing a damaged clip raises :class:`~skelblocks.data.ClipFormatError`; the other clips can still be read.

    Example:
        >>> import numpy as np
        >>> class Zeros(RawClips):
        ...     def __len__(self):
        ...         return 3
        ...
        ...     def read(self, index):
        ...         return RawClip(str(index), np.zeros((3, 5, 25, 1)), np.zeros((5, 1), dtype=bool), -1, {})
        >>> [clip.name for clip in Zeros()[-2:]], Zeros()[-1].name
        (['1', '2'], '2')
    """

    @abstractmethod
    def read(self, index: int) -> RawClip:
        """One clip; ``index`` is in ``0..len(self) - 1``."""

    @overload
    def __getitem__(self, index: int) -> RawClip: ...
    @overload
    def __getitem__(self, index: slice) -> list[RawClip]: ...
    def __getitem__(self, index: int | slice) -> RawClip | list[RawClip]:
        if isinstance(index, slice):
            return [self.read(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index: expected a clip in 0..{len(self) - 1}, got {index}")
        return self.read(int(index) % len(self))
