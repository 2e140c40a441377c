"""Gaussian noise: jitter every coordinate.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import repeat
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_number, check_probability, values_visible
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.clips.person_mask import person_mask


class GaussianNoiseParams(NamedTuple):
    """Standard normal draws ``(n, c, t, v, m)``, and a uniform draw per sample ``(n,)``: noise if it is below ``p``."""

    noise: Tensor
    gate: Tensor


@explain_arguments
def gaussian_noise(x: Tensor, noise: Tensor, std: Tensor, *, on_absent_persons: bool = False) -> Tensor:
    """Add ``std * noise`` to the clips.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        noise: Standard normal, of the same shape.
        std: One per sample, ``(n,)``, in the clip's length unit. With 0, a clip does not change.
        on_absent_persons: Whether to add noise to absent persons, whose coordinates are all zero. The released code of
            AimCLR and MsMCLR does, so a clip with one person shows a second person who jitters at the origin.

    Returns:
        The clips with noise, same shape and dtype.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``noise`` not of its shape, or ``std`` not ``(n,)``.
        TypeError: ``x`` is not floating-point.

    Example:
        >>> x = torch.ones(1, 3, 50, 25, 2)
        >>> x[..., 1] = 0
        >>> y = gaussian_noise(x, torch.randn(x.shape), torch.tensor([0.01]))
        >>> y[..., 0].equal(x[..., 0]), y[..., 1].equal(x[..., 1])
        (False, True)
    """
    check_clips(x)
    n, c, t, v, m = x.shape
    check_axes(noise, "n c t v m", name="noise", n=n, c=c, t=t, v=v, m=m)
    check_axes(std, "n", name="std", n=n)
    scale = repeat(std.to(x.dtype), "n -> n m", m=m)
    if not on_absent_persons:
        scale = torch.where(person_mask(x), scale, 0)
    # Make one pass over the clip, with joints and persons merged for a long inner loop.
    scale = repeat(scale, "n m -> n 1 (v m)", v=v)
    flat = (n, c * t, v * m)
    return torch.addcmul(x.reshape(flat), noise.to(x.dtype).reshape(flat), scale).view(x.shape)


@explain_arguments
class RandomGaussianNoise(RandomTransform[GaussianNoiseParams]):
    """Add noise to each clip with probability ``p``.

    MsMCLR's section 3.3 names Gaussian noise without numbers. The defaults follow the released code of MsMCLR and
    AimCLR. AS-CAL has ``std=0.05, p=1``.

    Args:
        std: Standard deviation, in the clip's length unit (meters in NTU RGB+D). A warning says so if it is larger than
            the clip.
        p: Probability that a clip gets noise.
        on_absent_persons: Whether absent persons (all zeros) get noise too, as in the released code.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: ``std`` is not a number.
        ValueError: ``std`` is negative or not finite, or ``p`` is not a probability.

    Example:
        >>> jitter = RandomGaussianNoise(0.01, p=1.0)
        >>> clips = torch.ones(4, 3, 50, 25, 2)
        >>> bool((jitter(clips, generator=torch.Generator().manual_seed(0)) - clips).abs().max() < 0.06)
        True
    """

    def __init__(self, std: float = 0.01, *, p: float = 0.5, on_absent_persons: bool = False) -> None:
        super().__init__()
        check_number(std, name="std")
        check_probability(p, name="p")
        self.std = std
        self.p = p
        self.on_absent_persons = on_absent_persons

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> GaussianNoiseParams:
        """Draw for clips of this shape."""
        sizes = clip_sizes(shape)
        noise = torch.randn(sizes, **where)
        return GaussianNoiseParams(noise, torch.rand(sizes[0], **where))

    def transform(self, x: Tensor, params: GaussianNoiseParams) -> Tensor:
        """Add the noise of these draws."""
        check_clips(x)
        _warn_of_noise_larger_than_a_clip(x, self.std)
        std = (params.gate < self.p).to(x.dtype) * self.std
        return gaussian_noise(x, params.noise, std, on_absent_persons=self.on_absent_persons)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"std={self.std}, p={self.p}, on_absent_persons={self.on_absent_persons}"


def _warn_of_noise_larger_than_a_clip(x: Tensor, std: float) -> None:
    """Warn if the first clip is smaller than the noise, as clips in meters are with a ``std`` for pixels."""
    if not values_visible(x) or not x.numel():
        return
    low, high = x[0].detach().aminmax()
    size = float(high - low)
    if 0 < size < std:
        warnings.warn(
            f"std: {std:g} is larger than the whole clip, which extends over {size:.3g}, so noise hides the motion; "
            f"pass a std in the unit of the clips, such as {0.005 * size:.2g}",
            UserWarning,
            stacklevel=2,
        )
