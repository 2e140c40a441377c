"""Shear: apply a random shear matrix to a clip.

Axes: n samples, c coordinates (2 or 3), t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_number
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_coordinates, clip_sizes, map_coordinates
from skelblocks.augment.base import DrawOptions, RandomTransform

LARGEST = 5.0  # amplitude


class ShearParams(NamedTuple):
    """Uniform draws in [-1, 1): the off-diagonal entries of each sample's shear matrix, row by row.

    They are ``(n, 6)`` for three coordinates and ``(n, 2)`` for two.
    """

    offsets: Tensor


def shear(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply every joint's coordinates by one matrix per sample: ``x' = S x``.

    Args:
        x: Clips ``(n, c, t, v, m)`` with two or three coordinates, in any length unit.
        matrix: One matrix per sample, ``(n, c, c)``. The identity leaves a clip unchanged.

    Returns:
        The sheared clips, same shape, dtype and unit. The origin does not move, so an absent person (all coordinates
        zero) stays absent.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with c 2 or 3, or ``matrix`` is not ``(n, c, c)``.
        TypeError: ``x`` is not floating-point.

    Example:
        >>> x = torch.ones(1, 3, 2, 25, 1)
        >>> shear(x, torch.eye(3).expand(1, 3, 3)).equal(x)
        True
    """
    check_clips(x)
    c = check_coordinates(x.shape[1])
    check_axes(matrix, "n i c", name="matrix", n=x.shape[0], i=c, c=c)
    return map_coordinates(x, matrix)


@explain_arguments
class RandomShear(RandomTransform[ShearParams]):
    """Shear each clip by its own random matrix: ones on the diagonal, the rest uniform in ``[-amplitude, amplitude)``.

    Args:
        amplitude: Largest off-diagonal entry. 0.5 in SkeletonCLR, AimCLR and MsMCLR (released configs; SkeAttnCLR
            table 10); 1 in AS-CAL.

    Shape:
        ``(n, c, t, v, m)``, c 2 or 3, to the same.

    Raises:
        TypeError: ``amplitude`` is not a number.
        ValueError: ``amplitude`` is negative or above 5, where nothing of the motion is left.

    Example:
        >>> shearing = RandomShear(0.5)
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> params = shearing.sample(clips.shape, generator=torch.Generator().manual_seed(0))
        >>> shearing.transform(clips, params).equal(shearing.transform(clips, params))
        True
    """

    def __init__(self, amplitude: float = 0.5) -> None:
        super().__init__()
        check_number(amplitude, name="amplitude")
        if amplitude > LARGEST:
            raise ValueError(
                f"amplitude: expected at most {LARGEST:g}, got {amplitude:g}; an entry is the tangent of an angle, so "
                f"for degrees pass math.tan(math.radians(...)), and for percent divide by 100; 0.5 is usual"
            )
        self.amplitude = amplitude

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> ShearParams:
        """Draw for clips of this shape."""
        n, c, *_ = clip_sizes(shape)
        entries = check_coordinates(c) * (c - 1)
        return ShearParams(torch.rand(n, entries, **where) * 2 - 1)

    def transform(self, x: Tensor, params: ShearParams) -> Tensor:
        """Shear the clips with these draws."""
        check_clips(x)
        c = check_coordinates(x.shape[1])
        check_axes(params.offsets, "n entries", name="params.offsets", entries=c * (c - 1))
        off = iter((params.offsets * self.amplitude).unbind(dim=1))
        one = torch.ones_like(params.offsets[:, 0])
        entries = [one if row == column else next(off) for row in range(c) for column in range(c)]
        return shear(x, rearrange(torch.stack(entries, dim=1), "n (i j) -> n i j", i=c))

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"amplitude={self.amplitude}"
