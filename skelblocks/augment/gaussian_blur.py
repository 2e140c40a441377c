"""Gaussian blur: smooth a clip in time.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from einops import rearrange, repeat
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import (
    check_axes,
    check_choice,
    check_integer,
    check_number,
    check_probability,
    values_visible,
)
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes, uncast_bmm
from skelblocks.augment.base import DrawOptions, RandomTransform

Padding = Literal["replicate", "zeros"]
_PADDINGS: tuple[Padding, ...] = get_args(Padding)


class GaussianBlurParams(NamedTuple):
    """Two uniform draws in [0, 1) per sample, each ``(n,)``: the kernel's width, and the gate (blur if below ``p``)."""

    sigma: Tensor
    gate: Tensor


@explain_arguments
def gaussian_blur(
    x: Tensor, sigma: Tensor, *, taps: int = 15, normalize: bool = True, padding: Padding = "replicate"
) -> Tensor:
    r"""Convolve each clip in time with its own Gaussian: ``x'[t] = sum_k g[k] x[t + k]``.

    .. math:: g[k] \propto \exp(-k^2 / 2 \sigma^2), \quad |k| \le (taps - 1) / 2

    By default the weights sum to one and the edge frames are repeated beyond the ends, so a person who stands still
    does not change. The released code of AS-CAL, AimCLR and MsMCLR does neither. Its weights sum to 1 at ``sigma`` 0.1
    and to 5 at 2, on average to 2.7, so a blurred skeleton grows. It pads with zeros, so the first and last frames
    shrink. ``normalize=False, padding="zeros"`` reproduces both.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        sigma: Width in frames, above 0, ``(n,)``.
        taps: Length of the kernel, odd; 15 in the released code.
        normalize: Whether the weights sum to one.
        padding: Padding at the ends: ``"replicate"`` or ``"zeros"``.

    Returns:
        The blurred clips, same shape and dtype. An absent person stays zero.

    Raises:
        TypeError: ``x`` is not floating-point, or ``taps`` is not an integer.
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``sigma`` is not ``(n,)`` or not above 0 (checked on the CPU
            only), ``taps`` is not odd, or the padding is unknown.

    Example:
        >>> still = torch.ones(1, 3, 50, 25, 2)
        >>> torch.allclose(gaussian_blur(still, torch.tensor([2.0])), still)
        True
    """
    check_clips(x)
    n, c, t, _, _ = x.shape
    check_axes(sigma, "n", name="sigma", n=n)
    _check_kernel(taps, padding)
    if values_visible(sigma) and not bool((sigma > 0).all()):
        raise ValueError(f"sigma: expected widths above 0, got {sigma.tolist()}; leave a clip out to keep it sharp")
    offset = torch.arange(taps, device=x.device) - taps // 2
    # Use float32 at least, so that the square of a small width does not underflow. Below 0.02 only one weight is not 0.
    width = sigma.to(torch.promote_types(torch.promote_types(sigma.dtype, x.dtype), torch.float32)).clamp(min=0.02)
    kernel = torch.exp(-(offset**2) / (2 * width[:, None] ** 2))
    # Set far tails to zero: they do not change the sum, but denormal numbers would make it twice as slow.
    kernel = torch.where(kernel > torch.finfo(kernel.dtype).eps ** 2, kernel, 0)
    if normalize:
        kernel = kernel / kernel.sum(dim=1, keepdim=True)
    # Write the convolution as one t x t matrix per sample. For clips of tens of frames, this is several times faster
    # than shifting the clip for each tap, and the padding is free.
    frame = torch.arange(t, device=x.device)
    source = frame[None, :] + offset[:, None]
    if padding == "replicate":
        source = source.clamp(0, t - 1)
    places = (source[:, :, None] == frame).to(kernel.dtype)
    weights = uncast_bmm(kernel[None], places.view(1, taps, t * t)).view(n, 1, t, t).to(x.dtype)
    blurred = uncast_bmm(repeat(weights, "n 1 s t -> (n c) s t", c=c), rearrange(x, "n c t v m -> (n c) t (v m)"))
    return blurred.view(x.shape)


@explain_arguments
class RandomGaussianBlur(RandomTransform[GaussianBlurParams]):
    """Blur each clip with probability ``p``, with a random width that is uniform in ``[low, high)``.

    MsMCLR's section 3.3 names Gaussian blur without numbers. The defaults follow the released code of MsMCLR, AimCLR
    and AS-CAL, except for ``normalize`` and ``padding``: see :func:`gaussian_blur`.

    Args:
        sigma: Smallest and largest width, in frames.
        p: Probability that a clip is blurred.
        taps: Length of the kernel, odd.
        normalize: Whether the weights sum to one. False in the released code.
        padding: ``"replicate"``, or ``"zeros"`` as in the released code.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: a width is not a number, or ``taps`` is not an integer.
        ValueError: ``sigma`` is not finite or not ``0 < low <= high``, ``p`` is not a probability, ``taps`` is not odd,
            or the padding is unknown.

    Example:
        >>> blurring = RandomGaussianBlur(p=1.0)
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> smooth = blurring(clips, generator=torch.Generator().manual_seed(0))
        >>> bool(smooth.diff(dim=2).norm() < clips.diff(dim=2).norm())
        True
    """

    def __init__(
        self,
        sigma: tuple[float, float] = (0.1, 2.0),
        *,
        p: float = 0.5,
        taps: int = 15,
        normalize: bool = True,
        padding: Padding = "replicate",
    ) -> None:
        super().__init__()
        low, high = sigma
        for width in (low, high):
            check_number(width, name="sigma")
        if not 0 < low <= high:
            raise ValueError(f"sigma: expected (low, high) with 0 < low <= high, got {sigma}")
        check_probability(p, name="p")
        _check_kernel(taps, padding)
        self.sigma = (low, high)
        self.p = p
        self.taps = taps
        self.normalize = normalize
        self.padding = padding

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> GaussianBlurParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        sigma, gate = torch.rand(2, n, **where)
        return GaussianBlurParams(sigma, gate)

    def transform(self, x: Tensor, params: GaussianBlurParams) -> Tensor:
        """Blur the clips with these draws."""
        low, high = self.sigma
        sigma = low + (high - low) * params.sigma
        blurred = gaussian_blur(x, sigma, taps=self.taps, normalize=self.normalize, padding=self.padding)
        return torch.where(rearrange(params.gate < self.p, "n -> n 1 1 1 1"), blurred, x)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"sigma={self.sigma}, p={self.p}, taps={self.taps}, normalize={self.normalize}, padding={self.padding!r}"


def _check_kernel(taps: int, padding: Padding) -> None:
    check_integer(taps, name="taps")
    if taps % 2 == 0:
        raise ValueError(f"taps: expected an odd integer >= 1, got {taps}; the released code has 15")
    check_choice(padding, _PADDINGS, name="padding")
