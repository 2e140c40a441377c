"""Compose: several random transforms as one.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn


class RandomTransform(Protocol):
    """What a transform has to offer to be composed: draws for a shape, and a pure function of clips and draws."""

    def sample(
        self,
        shape: Sequence[int],
        *,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Any:
        """Draw for clips of this shape, every field with the samples as its first axis."""

    def transform(self, x: Tensor, params: Any) -> Tensor:
        """Apply these draws; the shape stays."""


class Compose(nn.Module):
    """Apply transforms one after another; the whole is a transform again.

    ``sample`` gives a tuple, one entry a transform, and ``transform`` replays it: on a second view, another stream or
    another device. The ops of :mod:`skelblocks.augment` leave the shape as it is, so all draws can be made beforehand.

    Args:
        transforms: Modules that have ``sample`` and ``transform``, in the order in which they apply.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: one of them is not a module with both methods.

    Example:
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
        transforms = list(transforms)
        for place, transform in enumerate(transforms):
            methods = (getattr(transform, name, None) for name in ("sample", "transform"))
            if not isinstance(transform, nn.Module) or not all(map(callable, methods)):
                raise TypeError(
                    f"transforms[{place}]: expected an nn.Module with the methods sample and transform, "
                    f"got {type(transform).__name__}"
                )
        self.transforms = nn.ModuleList(transforms)

    def sample(
        self,
        shape: Sequence[int],
        *,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Any, ...]:
        """Draw for clips of this shape, one transform after another."""
        return tuple(each.sample(shape, device=device, generator=generator) for each in self._each())

    def transform(self, x: Tensor, params: tuple[Any, ...]) -> Tensor:
        """Apply these draws, one transform after another."""
        if len(params) != len(self.transforms):
            raise ValueError(f"params: expected {len(self.transforms)} entries, one a transform, got {len(params)}")
        for each, drawn in zip(self._each(), params, strict=True):
            x = each.transform(x, drawn)
        return x

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw and apply."""
        return self.transform(x, self.sample(x.shape, device=x.device, generator=generator))

    def _each(self) -> list[RandomTransform]:
        return [cast(RandomTransform, module) for module in self.transforms]
