"""Channel mask: hide one coordinate axis.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_boolean, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes, zero_where
from skelblocks.augment.base import DrawOptions, RandomTransform


class ChannelMaskParams(NamedTuple):
    """Each sample's channel, an integer below c, and a uniform draw (masked if it is below ``p``); each ``(n,)``."""

    channel: Tensor
    gate: Tensor


def channel_mask(x: Tensor, channels: Tensor) -> Tensor:
    """Set a sample's masked channels to zero, in all frames and for all joints and persons.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        channels: True for a masked channel, ``(n, c)``, boolean.

    Returns:
        The masked clips, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point, or ``channels`` is not boolean.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` or ``channels`` is not ``(n, c)``.

    Example:
        >>> x = torch.ones(1, 3, 50, 25, 2)
        >>> channel_mask(x, torch.tensor([[False, False, True]])).mean(dim=(2, 3, 4)).tolist()
        [[1.0, 1.0, 0.0]]
    """
    check_clips(x)
    check_axes(channels, "n c", name="channels", n=x.shape[0], c=x.shape[1])
    check_boolean(channels, name="channels")
    return zero_where(x, rearrange(channels, "n c -> n c 1 1 1"))


@explain_arguments
class RandomChannelMask(RandomTransform[ChannelMaskParams]):
    """Mask one channel of each clip, drawn at random, with a probability.

    MsMCLR's section 3.3 names the channel mask without numbers. It is AimCLR's axis mask. Both have a probability of
    0.5 in their released code.

    Args:
        p: Probability that a clip is masked.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        ValueError: ``p`` is not a probability.

    Example:
        >>> masking = RandomChannelMask(1.0)
        >>> y = masking(torch.ones(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0))
        >>> y.mean(dim=(2, 3, 4)).sum(dim=1).tolist()
        [2.0, 2.0, 2.0, 2.0]
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        check_probability(p, name="p")
        self.p = p

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> ChannelMaskParams:
        """Draw for clips of this shape."""
        n, c, *_ = clip_sizes(shape)
        channel = torch.randint(max(c, 1), (n,), **where)
        return ChannelMaskParams(channel, torch.rand(n, **where))

    def transform(self, x: Tensor, params: ChannelMaskParams) -> Tensor:
        """Mask the clips with these draws."""
        check_clips(x)
        chosen = params.channel[:, None] == torch.arange(x.shape[1], device=params.channel.device)
        return channel_mask(x, chosen & (params.gate < self.p)[:, None])

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"p={self.p}"
