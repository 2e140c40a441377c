"""Scale: make a clip larger or smaller.

Axes: n samples, c coordinates (2 or 3), t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_coordinates, check_ratio, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform


class ScaleParams(NamedTuple):
    """Uniform draws in [-1, 1): one per sample ``(n, 1)``, or one per coordinate ``(n, c)``."""

    offsets: Tensor


def scale(x: Tensor, factors: Tensor) -> Tensor:
    """Multiply the coordinates of each clip: ``x' = factor * x``.

    Args:
        x: Clips ``(n, c, t, v, m)`` with two or three coordinates.
        factors: One per sample ``(n, 1)``, or one per coordinate ``(n, c)``.

    Returns:
        The scaled clips, same shape and dtype. The origin does not move.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with c 2 or 3, or ``factors`` is neither ``(n, 1)`` nor ``(n, c)``.

    Example:
        >>> x = torch.ones(1, 2, 1, 1, 1)
        >>> scale(x, torch.tensor([[2.0]])).flatten().tolist(), scale(x, torch.tensor([[2.0, 0.5]])).flatten().tolist()
        ([2.0, 2.0], [2.0, 0.5])
    """
    check_clips(x)
    c = check_coordinates(x.shape[1])
    check_axes(factors, "n axis", name="factors", n=x.shape[0], axis=1 if factors.shape[-1:] == (1,) else c)
    return x * factors[:, :, None, None, None].to(x.dtype)


@explain_arguments
class RandomScale(RandomTransform[ScaleParams]):
    """Scale each clip by its own random factor, uniform in ``[1 - amplitude, 1 + amplitude)``.

    Args:
        amplitude: Largest change of the size, as a ratio; 0.2 in pyskl's code for 2-D keypoints.
        per_axis: Draw a separate factor for each coordinate, as pyskl does, which also changes the body's proportions.
            By default a clip has one factor.

    Shape:
        ``(n, c, t, v, m)``, c 2 or 3, to the same.

    Raises:
        TypeError: ``amplitude`` is not a number.
        ValueError: ``amplitude`` is not in [0, 1).

    Example:
        >>> scaling = RandomScale()
        >>> clips = torch.randn(4, 2, 50, 17, 1)
        >>> ratio = scaling(clips, generator=torch.Generator().manual_seed(0)) / clips
        >>> bool(((ratio > 0.79) & (ratio < 1.21)).all())
        True
    """

    def __init__(self, amplitude: float = 0.2, *, per_axis: bool = False) -> None:
        super().__init__()
        check_ratio(amplitude, "[0, 1)", name="amplitude")
        self.amplitude = amplitude
        self.per_axis = per_axis

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> ScaleParams:
        """Draw for clips of this shape."""
        n, c, *_ = clip_sizes(shape)
        check_coordinates(c)
        return ScaleParams(torch.rand(n, c if self.per_axis else 1, **where) * 2 - 1)

    def transform(self, x: Tensor, params: ScaleParams) -> Tensor:
        """Scale the clips with these draws."""
        return scale(x, 1 + self.amplitude * params.offsets)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"amplitude={self.amplitude}, per_axis={self.per_axis}"
