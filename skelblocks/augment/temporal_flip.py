"""Temporal flip: play a clip backwards.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_boolean, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes, take_frames
from skelblocks.augment.base import DrawOptions, RandomTransform


class TemporalFlipParams(NamedTuple):
    """One uniform draw in [0, 1) per sample, ``(n,)``: flipped if it is below ``p``."""

    gate: Tensor


def temporal_flip(x: Tensor, flipped: Tensor | None = None) -> Tensor:
    """Reverse the frames: ``x'[i] = x[t - 1 - i]``.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        flipped: True for clips to flip, ``(n,)``, boolean. Default: all.

    Returns:
        The clips, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point, or ``flipped`` is not boolean.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` or ``flipped`` is not ``(n,)``.

    Example:
        >>> temporal_flip(torch.arange(4.0).view(1, 1, 4, 1, 1)).flatten().tolist()
        [3.0, 2.0, 1.0, 0.0]
    """
    check_clips(x)
    if flipped is None:
        return x.flip(2)
    check_axes(flipped, "n", name="flipped", n=x.shape[0])
    check_boolean(flipped, name="flipped")
    frame = torch.arange(x.shape[2], device=x.device)
    return take_frames(x, torch.where(flipped[:, None], frame.flip(0), frame))


@explain_arguments
class RandomTemporalFlip(RandomTransform[TemporalFlipParams]):
    """Play each clip backwards with probability ``p``.

    It is one of the eight extreme augmentations in AimCLR's paper. The released code has it but does not use it by
    default.

    Args:
        p: Probability that a clip is flipped; 0.5 in the released code.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        ValueError: ``p`` is not a probability.

    Example:
        >>> flipping = RandomTemporalFlip(1.0)
        >>> x = torch.randn(4, 3, 50, 25, 2)
        >>> flipping(x).equal(x.flip(2))
        True
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        check_probability(p, name="p")
        self.p = p

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> TemporalFlipParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        return TemporalFlipParams(torch.rand(n, **where))

    def transform(self, x: Tensor, params: TemporalFlipParams) -> Tensor:
        """Flip the clips with these draws."""
        return temporal_flip(x, params.gate < self.p)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"p={self.p}"
