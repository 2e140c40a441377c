"""Compose: several random transforms as one.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn
from typing_extensions import Unpack

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment.base import DrawOptions, RandomTransform


@explain_arguments
class Compose(RandomTransform[tuple[Any, ...]]):
    """Apply several transforms in order. The composition is a transform too.

    ``sample`` returns a tuple with one entry per transform, and ``transform`` applies it to any view, stream or device.
    All draws are made in advance, for the shape of the input.

    Args:
        transforms: Modules that have ``sample`` and ``transform``, in the order in which they apply.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: ``transforms`` is not a list, or one of them is not a module with both methods.

    Example:
        >>> import torch
        >>> from skelblocks.augment import RandomShear, RandomTemporalCrop
        >>> augment = Compose([RandomTemporalCrop(), RandomShear()])
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> params = augment.sample(clips.shape, generator=torch.Generator().manual_seed(0))
        >>> crop, tilt = params
        >>> augment.transform(clips, params).shape
        torch.Size([4, 3, 50, 25, 2])
    """

    def __init__(self, transforms: Iterable[nn.Module]) -> None:
        super().__init__()
        if isinstance(transforms, nn.Module):
            raise TypeError(
                f"transforms: expected a list of transforms, got one {type(transforms).__name__}; pass [transform]"
            )
        transforms = list(transforms)
        for place, transform in enumerate(transforms):
            methods = (getattr(transform, name, None) for name in ("sample", "transform"))
            if not isinstance(transform, nn.Module) or not all(map(callable, methods)):
                got = f"the class {transform.__name__}" if isinstance(transform, type) else type(transform).__name__
                raise TypeError(
                    f"transforms[{place}]: expected an nn.Module with the methods sample and transform, got {got}; "
                    "pass an instance, such as RandomShear()"
                )
        self.transforms = nn.ModuleList(transforms)

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> tuple[Any, ...]:
        """Draw for clips of this shape, one transform after another."""
        return tuple(each.sample(shape, **where) for each in self._each())

    def transform(self, x: Tensor, params: tuple[Any, ...]) -> Tensor:
        """Apply these draws, one transform after another."""
        if len(params) != len(self.transforms):
            raise ValueError(
                f"params: expected {len(self.transforms)} entries, one per transform, got {len(params)}; pass what "
                "sample returns"
            )
        for each, drawn in zip(self._each(), params, strict=True):
            x = each.transform(x, drawn)
        return x

    def _each(self) -> list[Any]:
        return list(self.transforms)
