"""Make the views of a training step from clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from skelblocks import streams
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import Stream


class Views:
    """Make one view of the clips per transform: augment the joints, then convert them to each stream.

    Args:
        transforms: The transforms, each called as ``transform(clips, generator=generator)``.
        layout: The skeleton.
        stream: One stream or several. Several streams are computed from the same augmented clips.

    Example:
        >>> from skelblocks import layouts
        >>> views = Views([lambda x, generator: x], layout=layouts.get("sbu"), stream=("joint", "bone"))
        >>> [tuple(view.shape) for view in views(torch.randn(2, 3, 16, 15, 1), torch.Generator())]
        [(2, 3, 16, 15, 1), (2, 3, 16, 15, 1)]
    """

    def __init__(
        self, transforms: Sequence[Callable[..., Tensor]], *, layout: SkeletonLayout, stream: Stream | Sequence[Stream]
    ) -> None:
        self.transforms = transforms
        self.layout = layout
        self.streams = [stream] if isinstance(stream, str) else stream

    def __call__(self, clips: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Return all views ``(n, c, t, v, m)`` of the first stream, then all views of the next one."""
        augmented = [transform(clips, generator=generator) for transform in self.transforms]
        return [streams.convert(view, stream, layout=self.layout) for stream in self.streams for view in augmented]
