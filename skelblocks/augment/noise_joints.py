"""Noise joints: let a few joints jump about at random within the skeleton's own extent.

Axes: n samples, c channels, t frames, v joints, m persons, k noisy joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating
from skelblocks.augment._clips import clip_sizes


class NoiseJointsParams(NamedTuple):
    """A sample's joints, ``(n, k)`` integers, and unit draws in [0, 1) for their coordinates, ``(n, c, t, k, m)``."""

    joints: Tensor
    values: Tensor


def noise_joints(x: Tensor, joints: Tensor, values: Tensor) -> Tensor:
    """Replace some joints' coordinates by ``low + values * (high - low)``.

    ``low`` and ``high`` are the smallest and the largest coordinate, over the joints, of that frame, person and axis.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        joints: Which joints, the same in all frames and persons, ``(n, k)`` different integers below v.
        values: In ``[0, 1]``, ``(n, c, t, k, m)``.

    Returns:
        The clips with noise, same shape and dtype. A person's empty frame (all zero) stays so, since low and high are
        both zero there.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``joints`` not ``(n, k)``, or ``values`` not ``(n, c, t, k, m)``.
        TypeError: ``x`` is not floating-point.

    Example:
        >>> x = torch.arange(25.0).view(1, 1, 1, 25, 1)
        >>> y = noise_joints(x, torch.tensor([[3, 7]]), torch.tensor([0.5, 1.0]).view(1, 1, 1, 2, 1))
        >>> y[0, 0, 0, [3, 4, 7], 0].tolist()
        [12.0, 4.0, 24.0]
    """
    check_axes(x, "n c t v m", name="x")
    check_floating(x, name="x")
    n, c, t, _, m = x.shape
    check_axes(joints, "n k", name="joints", n=n)
    k = joints.shape[1]
    check_axes(values, "n c t k m", name="values", n=n, c=c, t=t, k=k, m=m)
    # Not aminmax, which has no derivative in torch 2.11.
    low, high = x.amin(dim=3, keepdim=True), x.amax(dim=3, keepdim=True)
    noise = torch.addcmul(low, high - low, values.to(x.dtype))
    return x.scatter(3, joints[:, None, None, :, None].expand(values.shape), noise)


class RandomNoiseJoints(nn.Module):
    """Give a few random joints of each clip random coordinates, anew in every frame: the noise of Yoon et al.

    MsMCLR's section 3.3 fixes 5 joints (of 25); its released code draws 1: ``RandomNoiseJoints(0.04)``. That code also
    stops at frame 50 and fails on shorter clips or single persons; that is not reproduced.

    Args:
        fraction: Part of the joints that get noise; their number is ``round(fraction * v)``, at least 1.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Example:
        >>> noising = RandomNoiseJoints()
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> y = noising(clips, generator=torch.Generator().manual_seed(0))
        >>> (y != clips).any(dim=4).any(dim=2).any(dim=1).sum(dim=1).tolist()
        [5, 5, 5, 5]
    """

    def __init__(self, fraction: float = 0.2) -> None:
        super().__init__()
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction: expected a fraction of the joints in (0, 1], got {fraction}")
        self.fraction = fraction

    def sample(
        self,
        shape: Sequence[int],
        *,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> NoiseJointsParams:
        """Draw for clips of this shape."""
        n, c, t, v, m = clip_sizes(shape)
        k = max(1, round(self.fraction * v))
        joints = torch.rand(n, v, device=device, generator=generator).argsort(dim=1)[:, :k]
        return NoiseJointsParams(joints, torch.rand(n, c, t, k, m, device=device, generator=generator))

    def transform(self, x: Tensor, params: NoiseJointsParams) -> Tensor:
        """Replace by these draws."""
        return noise_joints(x, params.joints, params.values)

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw and replace."""
        return self.transform(x, self.sample(x.shape, device=x.device, generator=generator))

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"fraction={self.fraction}"
