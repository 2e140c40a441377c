"""Tempo: play a clip faster or slower.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, values_visible
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes, take_frames
from skelblocks.augment.base import DrawOptions, RandomTransform


class TempoParams(NamedTuple):
    """Two uniform draws in [0, 1) per sample: the speed between the lowest and the highest, and the start."""

    speed: Tensor
    start: Tensor


@explain_arguments
def tempo(x: Tensor, speed: Tensor, start: Tensor) -> Tensor:
    """Play each clip at its own speed, with the same number of frames: frame i comes from ``start + speed * i``.

    Coordinates are interpolated linearly between frames. Beyond its ends, the clip is mirrored at its first and last
    frame. If a person is absent in one of two frames, the nearer frame is used without interpolation, so that no person
    moves towards the origin.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        speed: Speed, ``(n,)``; 2 plays the clip twice as fast.
        start: Start in frames, ``(n,)``. It may be before the first frame.

    Returns:
        The clips, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``speed`` or ``start`` is not ``(n,)``, or a speed is not above 0
            (checked on the CPU only).

    Example:
        >>> x = torch.arange(1.0, 6.0).view(1, 1, 5, 1, 1)
        >>> tempo(x, torch.tensor([0.5]), torch.tensor([0.0])).flatten().tolist()
        [1.0, 1.5, 2.0, 2.5, 3.0]
        >>> tempo(x, torch.tensor([2.0]), torch.tensor([0.0])).flatten().tolist()
        [1.0, 3.0, 5.0, 3.0, 1.0]
    """
    check_clips(x)
    n, _, t, _, _ = x.shape
    for name, each in (("speed", speed), ("start", start)):
        check_axes(each, "n", name=name, n=n)
    if values_visible(speed) and not bool((speed > 0).all()):
        raise ValueError(f"speed: expected numbers above 0, got {speed.tolist()}; pass 1 to keep a clip's speed")
    exact = torch.promote_types(torch.promote_types(speed.dtype, start.dtype), torch.float32)
    frame = torch.arange(t, device=x.device, dtype=exact)
    place = start.to(exact)[:, None] + speed.to(exact)[:, None] * frame
    if t > 1:  # mirror at both ends
        place = torch.remainder(place, 2 * (t - 1))
        place = torch.minimum(place, 2 * (t - 1) - place)
    else:
        place = torch.zeros_like(place)
    before = place.floor().long().clamp(0, t - 1)
    after = (before + 1).clamp(max=t - 1)
    share = (place - before)[:, None, :, None, None]
    early, late = take_frames(x, before), take_frames(x, after)
    both = (early != 0).any(dim=(1, 3), keepdim=True) & (late != 0).any(dim=(1, 3), keepdim=True)
    weight = torch.where(both, share, (share >= 0.5).to(exact)).to(x.dtype)
    return torch.lerp(early, late, weight.expand_as(early))


@explain_arguments
class RandomTempo(RandomTransform[TempoParams]):
    """Play each clip at its own random speed.

    Speeds are log-uniform, so that faster and slower are equally likely. A slower clip shows a random part of the
    original; a faster clip shows all of it and mirrored frames at the ends.

    Args:
        speeds: The lowest and the highest speed. The default, 0.8 to 1.25, is this package's choice.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: ``speeds`` is not a pair of numbers.
        ValueError: not ``0 < low <= high``, or one of the two is not finite.

    Example:
        >>> hurrying = RandomTempo((1.5, 2.0))
        >>> hurrying(torch.randn(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 50, 25, 2])
    """

    def __init__(self, speeds: tuple[float, float] = (0.8, 1.25)) -> None:
        super().__init__()
        self.speeds = _check_speeds(speeds)

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> TempoParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        return TempoParams(torch.rand(n, **where), torch.rand(n, **where))

    def transform(self, x: Tensor, params: TempoParams) -> Tensor:
        """Play the clips with these draws."""
        check_clips(x)
        check_axes(params.speed, "n", name="params.speed", n=x.shape[0])
        low, high = map(math.log, self.speeds)
        speed = torch.exp(low + (high - low) * params.speed)
        # A slower clip starts between 0 and the number of unused frames. A faster clip starts between minus the number
        # of mirrored frames and 0.
        return tempo(x, speed, params.start * (1 - speed) * (x.shape[2] - 1))

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"speeds={self.speeds}"


def _check_speeds(speeds: tuple[float, float]) -> tuple[float, float]:
    expected = "speeds: expected two numbers (low, high) with 0 < low <= high"
    if isinstance(speeds, str) or not isinstance(speeds, Sequence) or len(speeds) != 2:
        raise TypeError(f"{expected}, got {speeds!r}; for a fixed speed, pass it twice")
    for each in speeds:
        if isinstance(each, bool) or not isinstance(each, (int, float, Real)):
            raise TypeError(f"{expected}, got {speeds!r}; pass Python numbers")
    low, high = speeds
    if not 0 < low <= high < math.inf:
        raise ValueError(f"{expected}, got {tuple(speeds)}")
    return low, high
