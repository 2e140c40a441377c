"""Noise joints: move a few joints to random positions within the skeleton's extent.

Axes: n samples, c channels, t frames, v joints, m persons, k noisy joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import repeat
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes
from skelblocks._utils.deprecated import renamed_arguments, renamed_attribute
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_index, check_ratio, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform


class NoiseJointsParams(NamedTuple):
    """Each sample's joints, ``(n, k)`` integers, and uniform draws for their coordinates, ``(n, c, t, k, m)``."""

    joints: Tensor
    values: Tensor


def noise_joints(x: Tensor, joints: Tensor, values: Tensor) -> Tensor:
    """Replace the coordinates of some joints by ``low + values * (high - low)``.

    ``low`` and ``high`` are the minimum and maximum over the joints, for each frame, person and axis.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        joints: The joints, the same in all frames and persons: ``(n, k)`` different integers below v.
        values: In ``[0, 1]``, ``(n, c, t, k, m)``.

    Returns:
        The clips with noise, same shape and dtype. Frames in which a person is absent (all zero) stay zero.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``joints`` not ``(n, k)``, or ``values`` not ``(n, c, t, k, m)``.
        TypeError: ``x`` is not floating-point, or ``joints`` is not int64.

    Example:
        >>> x = torch.arange(25.0).view(1, 1, 1, 25, 1)
        >>> y = noise_joints(x, torch.tensor([[3, 7]]), torch.tensor([0.5, 1.0]).view(1, 1, 1, 2, 1))
        >>> y[0, 0, 0, [3, 4, 7], 0].tolist()
        [12.0, 4.0, 24.0]
    """
    check_clips(x)
    n, c, t, v, m = x.shape
    check_axes(joints, "n k", name="joints", n=n)
    check_index(joints, name="joints")
    k = joints.shape[1]
    check_axes(values, "n c t k m", name="values", n=n, c=c, t=t, k=k, m=m)
    if v == 0:
        return x
    # Do not use aminmax, which has no derivative in torch 2.11. Use float32 at least: in half precision, the extent of
    # a skeleton in millimeters may overflow.
    dtype = torch.promote_types(x.dtype, torch.float32)
    low, high = x.amin(dim=3, keepdim=True).to(dtype), x.amax(dim=3, keepdim=True).to(dtype)
    noise = torch.addcmul(low, high - low, values.to(dtype)).to(x.dtype)
    return x.scatter(3, repeat(joints, "n k -> n c t k m", c=c, t=t, m=m), noise)


@explain_arguments
class RandomNoiseJoints(RandomTransform[NoiseJointsParams]):
    """Give a few random joints of each clip random coordinates in every frame: the noise of Yoon et al.

    MsMCLR's section 3.3 has 5 of 25 joints; its released code has 1: ``RandomNoiseJoints(0.04)``. That code ignores
    frames after the 50th, and fails on shorter clips or single persons, which is not reproduced.

    Args:
        ratio: Ratio of joints that get noise: ``round(ratio * v)`` joints, at least 1.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: ``ratio`` is not a number.
        ValueError: ``ratio`` is not in ``(0, 1]``.

    Example:
        >>> noising = RandomNoiseJoints()
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> y = noising(clips, generator=torch.Generator().manual_seed(0))
        >>> (y != clips).any(dim=4).any(dim=2).any(dim=1).sum(dim=1).tolist()
        [5, 5, 5, 5]
    """

    fraction = renamed_attribute("fraction", "ratio")

    @renamed_arguments(fraction="ratio")
    def __init__(self, ratio: float = 0.2) -> None:
        super().__init__()
        check_ratio(ratio, "(0, 1]", name="ratio")
        self.ratio = ratio

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> NoiseJointsParams:
        """Draw for clips of this shape."""
        n, c, t, v, m = clip_sizes(shape)
        k = min(v, max(1, round(self.ratio * v)))
        joints = torch.rand(n, v, **where).argsort(dim=1)[:, :k]
        return NoiseJointsParams(joints, torch.rand(n, c, t, k, m, **where))

    def transform(self, x: Tensor, params: NoiseJointsParams) -> Tensor:
        """Move the joints with these draws."""
        return noise_joints(x, params.joints, params.values)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"ratio={self.ratio}"
