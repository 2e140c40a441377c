"""What the data sets of this library give: a clip, or a batch of them.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Sample(NamedTuple):
    """One clip, or a batch of them with a first axis n more.

    Attributes:
        clip: ``(c, t, v, m)``, float32.
        label: An integer, -1 where the set has no labels.
        index: Its place in the dataset.
    """

    clip: Tensor
    label: Tensor
    index: Tensor  # type: ignore[assignment]  # of its namesakes, tuple.index is the one nobody misses
