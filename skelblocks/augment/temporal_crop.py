"""Temporal crop: shift a clip in time, with mirrored frames at both ends.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_integer, values_visible
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_index, clip_sizes, take_frames
from skelblocks.augment.base import DrawOptions, RandomTransform


class TemporalCropParams(NamedTuple):
    """One uniform draw in [0, 1) per sample, ``(n,)``: the start between the earliest and the latest frame."""

    start: Tensor


@explain_arguments
def temporal_crop(x: Tensor, start: Tensor, *, padding_ratio: int = 6) -> Tensor:
    """Mirror ``t // padding_ratio`` frames at each end, including the edge, then keep ``t`` frames from ``start``.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        start: First frame to keep, counted in the padded clip: ``(n,)`` integers in ``[0, 2 * (t // padding_ratio)]``.
            The middle value leaves a clip unchanged.
        padding_ratio: 6 in SkeletonCLR, AimCLR and MsMCLR (released configs), which pads 8 frames for 50 and 10 for 64.
            A clip with fewer frames than this is not changed.

    Returns:
        The clips, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point, ``start`` is not int64, or ``padding_ratio`` is not an integer.
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``start`` is not ``(n,)`` or outside its range (checked on the CPU
            only), or ``padding_ratio`` is below 1.

    Example:
        >>> x = torch.arange(6.0).view(1, 1, 6, 1, 1)
        >>> temporal_crop(x, torch.tensor([0]), padding_ratio=3).flatten().tolist()
        [1.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    """
    check_clips(x)
    check_axes(start, "n", name="start", n=x.shape[0])
    check_index(start, name="start")
    check_integer(padding_ratio, name="padding_ratio")
    t = x.shape[2]
    most = 2 * (t // padding_ratio)
    if values_visible(start) and bool(((start < 0) | (start > most)).any()):
        raise ValueError(
            f"start: expected 0..{most}, where the crop fits, got {start.tolist()}; {most // 2} keeps a clip unchanged"
        )
    frame = torch.arange(t, device=x.device) + (start[:, None] - t // padding_ratio)
    frame = torch.where(frame < 0, -1 - frame, frame)
    return take_frames(x, torch.where(frame >= t, 2 * t - 1 - frame, frame))


@explain_arguments
class RandomTemporalCrop(RandomTransform[TemporalCropParams]):
    """Crop each clip from a random frame, uniform over all positions where the crop fits.

    Args:
        padding_ratio: ``t // padding_ratio`` frames are padded at each end; 6 in SkeletonCLR, AimCLR and MsMCLR
            (released configs), 1 or more.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: ``padding_ratio`` is not an integer.
        ValueError: ``padding_ratio`` is below 1.

    Example:
        >>> cropping = RandomTemporalCrop()
        >>> cropping(torch.randn(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 50, 25, 2])
    """

    def __init__(self, padding_ratio: int = 6) -> None:
        super().__init__()
        check_integer(padding_ratio, name="padding_ratio")
        self.padding_ratio = padding_ratio

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> TemporalCropParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        return TemporalCropParams(torch.rand(n, **where))

    def transform(self, x: Tensor, params: TemporalCropParams) -> Tensor:
        """Crop the clips with these draws."""
        check_clips(x)
        places = 2 * (x.shape[2] // self.padding_ratio) + 1
        return temporal_crop(x, (params.start * places).long(), padding_ratio=self.padding_ratio)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"padding_ratio={self.padding_ratio}"
