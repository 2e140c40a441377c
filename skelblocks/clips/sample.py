"""A sample: the clip, label and index that a data set returns, or a batch of them.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data._utils.collate import default_collate, default_collate_fn_map
from typing_extensions import Self


class _Fields(NamedTuple):
    clip: Tensor
    label: Tensor
    index: Tensor  # type: ignore[assignment]  # shadows tuple.index, which is not used here


class Sample(_Fields):
    """One clip, or a batch of clips with an additional first axis n.

    A tuple of three, ``clip, label, index = sample``, with the extra attribute ``seen``. PyTorch's default collate
    function, pickling and :meth:`to` keep the attribute. A loader with ``pin_memory=True`` does not.

    Attributes:
        clip: ``(c, t, v, m)``, float32.
        label: An integer, or -1 if the set has no labels.
        index: The index in the data set.
        seen: ``(t, v, m)``, boolean, true if the joint is seen; the other joints of ``clip`` were filled. None if the
            data set does not know which joints are seen.

    Example:
        >>> sample = Sample(torch.zeros(3, 50, 25, 1), torch.tensor(4), torch.tensor(0), seen=torch.ones(50, 25, 1) > 0)
        >>> clip, label, index = sample
        >>> batch = default_collate([sample, sample])
        >>> batch.clip.shape, batch.seen.shape
        (torch.Size([2, 3, 50, 25, 1]), torch.Size([2, 50, 25, 1]))
    """

    seen: Tensor | None

    def __new__(cls, clip: Tensor, label: Tensor, index: Tensor, *, seen: Tensor | None = None) -> Self:
        """Create a sample."""
        sample = super().__new__(cls, clip, label, index)
        sample.seen = seen
        return sample

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move the sample, with the arguments of ``torch.Tensor.to``. Only ``clip`` changes its dtype."""
        clip = self.clip.to(*args, **kwargs)
        label, index = (each.to(clip.device) for each in (self.label, self.index))
        return type(self)(clip, label, index, seen=None if self.seen is None else self.seen.to(clip.device))

    def _replace(self, **values: Any) -> Self:
        kept = {"clip": self.clip, "label": self.label, "index": self.index, "seen": self.seen}
        return type(self)(**{**kept, **values})


def _collate(samples: Sequence[Sample], *, collate_fn_map: Any = None) -> Sample:
    fields = [default_collate(list(values)) for values in zip(*samples, strict=True)]  # type: ignore[no-untyped-call]
    masks = [sample.seen for sample in samples]
    known = [mask for mask in masks if mask is not None]
    if known and len(known) < len(masks):
        raise ValueError(
            "samples: expected all or none with a mask of seen joints, got both; do not mix data sets with and without "
            "a mask in one batch"
        )
    return Sample(*fields, seen=torch.stack(known) if known else None)


# Without this, the default collate function would batch only the three fields. It applies to this class only.
default_collate_fn_map[Sample] = _collate
