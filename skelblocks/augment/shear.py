"""Shear: tilt the coordinate axes of a clip.

Axes: n samples, c coordinates (3), t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating
from skelblocks.augment._clips import clip_sizes, map_coordinates


class ShearParams(NamedTuple):
    """Six unit draws a sample, in [-1, 1): the off-diagonal entries of the shear matrix, row by row, ``(n, 6)``."""

    offsets: Tensor


def shear(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply every joint's coordinates by its sample's matrix: ``x' = S x``.

    Args:
        x: Clips ``(n, 3, t, v, m)``, in any length unit.
        matrix: One matrix a sample, ``(n, 3, 3)``; the identity leaves a clip as it is.

    Returns:
        The sheared clips, same shape, dtype and unit. A joint at the origin stays there, so an absent person
        (all coordinates zero) stays absent.

    Raises:
        ValueError: ``x`` is not ``(n, 3, t, v, m)`` or ``matrix`` is not ``(n, 3, 3)``.
        TypeError: ``x`` is not floating-point.

    Example:
        >>> x = torch.ones(1, 3, 2, 25, 1)
        >>> shear(x, torch.eye(3).expand(1, 3, 3)).equal(x)
        True
    """
    check_axes(x, "n c t v m", name="x", c=3)
    check_floating(x, name="x")
    check_axes(matrix, "n i c", name="matrix", n=x.shape[0], i=3, c=3)
    return map_coordinates(x, matrix)


class RandomShear(nn.Module):
    """Shear each clip by its own random matrix: ones on the diagonal, the rest uniform in ``[-amplitude, amplitude)``.

    Args:
        amplitude: Largest off-diagonal entry. 0.5 in SkeletonCLR, AimCLR and MsMCLR (released configs; SkeAttnCLR
            table 10); 1 in AS-CAL.

    Shape:
        ``(n, 3, t, v, m)`` to the same.

    Example:
        >>> shearing = RandomShear(0.5)
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> params = shearing.sample(clips.shape, generator=torch.Generator().manual_seed(0))
        >>> shearing.transform(clips, params).equal(shearing.transform(clips, params))
        True
    """

    def __init__(self, amplitude: float = 0.5) -> None:
        super().__init__()
        if not amplitude >= 0:
            raise ValueError(f"amplitude: expected a number >= 0, got {amplitude}")
        self.amplitude = amplitude

    def sample(
        self,
        shape: Sequence[int],
        *,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> ShearParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        return ShearParams(torch.rand(n, 6, device=device, generator=generator) * 2 - 1)

    def transform(self, x: Tensor, params: ShearParams) -> Tensor:
        """Shear by these draws."""
        check_axes(params.offsets, "n entries", name="params.offsets", entries=6)
        a, b, c, d, e, f = (params.offsets * self.amplitude).unbind(dim=1)
        one = torch.ones_like(a)
        return shear(x, torch.stack((one, a, b, c, one, d, e, f, one), dim=1).view(-1, 3, 3))

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw and shear."""
        return self.transform(x, self.sample(x.shape, device=x.device, generator=generator))

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"amplitude={self.amplitude}"
