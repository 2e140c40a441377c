"""From clips to the views of a training step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from skelblocks import streams
from skelblocks.layouts import SkeletonLayout
from skelblocks.streams import Stream


class Views:
    """Clips to views, one per transform: augmented as joints, then converted to each of the streams.

    Args:
        transforms: Each called as ``transform(clips, generator=generator)``.
        layout: The skeleton.
        stream: One stream, or several, which then all come from the same augmented clips.

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
        """All views ``(n, c, t, v, m)`` of the first stream, then all of the next one."""
        augmented = [transform(clips, generator=generator) for transform in self.transforms]
        return [streams.convert(view, stream, layout=self.layout) for stream in self.streams for view in augmented]
