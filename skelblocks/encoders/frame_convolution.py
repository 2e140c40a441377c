"""Convolution over frames with a fifth of the multiplications, by products of frequencies.

Axes: b rows (samples x persons), c input channels, o output channels, t frames, k taps, v joints, m products.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks._utils.autocast_dtype import autocast_dtype
from skelblocks._utils.autocast_off import autocast_off
from skelblocks.encoders.grouped_linear import by_convolution, grouped_linear, on_plain_cpu, weight_gradient

_MOST_ROWS = 32  # at a time: the products take about four times the memory of the rows


def frame_convolution(x: Tensor, weight: Tensor) -> Tensor:
    r"""Convolve over frames as ``conv2d(x, weight, padding=(k // 2, 0))`` does, with fewer multiplications.

    A convolution in time is a product of frequencies. Padded by ``k // 2`` zeros, t frames have
    ``N = t + k // 2`` frequencies, of which real numbers need only half. A product of two complex numbers takes three
    real ones. So the frames are multiplied by a matrix :math:`A`, the taps by :math:`B`, and

    .. math:: y_{bo \cdot v} = C \, \Big(\sum_c (B \, w_{oc}) \odot (A \, x_{bc \cdot v})\Big)

    with m products for each pair of channels, about ``3 N / 2``, in place of ``t k``: 25 in place of 117 for 13 frames
    and nine taps. In float32 the rounding error is smaller than in the convolution, in bfloat16 about twice as large.
    Backward computes ``A x`` again, to save memory.

    Args:
        x: ``(b, c, t, v)``. Fastest with ``channels_last`` strides.
        weight: ``(o, c, k, 1)``, with an odd k. It may have a higher precision than ``x``.

    Returns:
        ``(b, o, t, v)``, in the dtype of ``x``, with ``channels_last`` strides.

    Example:
        >>> x, weight = torch.randn(2, 3, 13, 5), torch.randn(4, 3, 9, 1)
        >>> expected = torch.nn.functional.conv2d(x, weight, padding=(4, 0))
        >>> torch.allclose(frame_convolution(x, weight), expected, atol=1e-5)
        True
    """
    y: Tensor = _FrameConvolution.apply(x, weight)  # type: ignore[no-untyped-call]
    return y


class FrameConvolution(nn.Conv2d):
    """A convolution over frames, with padding, which uses :func:`frame_convolution` where it is faster.

    It is faster on the CPU from 128 channels on, which the last blocks of an ST-GCN have.

    Args:
        channels: Channels of the input and of the output.
        kernel_size: Number of frames that it sees, odd.
        stride: Keep every ``stride``-th frame.

    Shape:
        ``(b, channels, t, v)`` to ``(b, channels, ceil(t / stride), v)``.

    Example:
        >>> FrameConvolution(128, kernel_size=9)(torch.randn(2, 128, 13, 25)).shape
        torch.Size([2, 128, 13, 25])
    """

    def __init__(self, channels: int, *, kernel_size: int, stride: int = 1) -> None:
        super().__init__(channels, channels, (kernel_size, 1), stride=(stride, 1), padding=(kernel_size // 2, 0))

    def forward(self, x: Tensor) -> Tensor:
        """The convolution with its bias."""
        if not self._fewer_multiplications(x):
            return super().forward(x)
        y = frame_convolution(x.to(autocast_dtype(x)), self.weight)
        return y if self.bias is None else y + rearrange(self.bias, "o -> o 1 1").to(y.dtype)

    def _fewer_multiplications(self, x: Tensor) -> bool:
        if not on_plain_cpu(x) or x.ndim != 4 or x.shape[1] != self.in_channels or self.stride[0] != 1:
            return False
        # The products with A, B and C cost little where there are many channels, few frames, and many positions.
        least = min(self.in_channels, self.out_channels)
        return bool(
            least >= 128
            and self.kernel_size[0] <= x.shape[2] <= least // 4
            and x.shape[0] * x.shape[3] >= 128
            and x.dtype in (torch.float32, torch.float64, torch.bfloat16)
        )


class _FrameConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        frames, taps, back = _matrices(x.shape[2], weight)
        with autocast_off(x):
            weights = _weights(taps, weight).to(x.dtype)
            pieces = [
                _frames_of(grouped_linear(_transformed(piece, frames), weights), back)
                for piece in x.tensor_split(-(-len(x) // _MOST_ROWS))
            ]
            return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        frames, taps, back = _matrices(x.shape[2], weight)
        for_x = for_weight = None
        with autocast_off(x):
            products = _transformed(gradient.to(x.dtype), back.mT)
            if ctx.needs_input_grad[0]:
                weights = _weights(taps, weight).to(x.dtype)
                for_x = _frames_of(grouped_linear(products, weights.mT), frames.mT)
            if ctx.needs_input_grad[1]:
                for_weights = weight_gradient(products, _transformed(x, frames)).to(weight.dtype)
                for_weight = rearrange(
                    taps.mT @ for_weights.flatten(1), "k (o c) -> o c k 1", o=weight.shape[0], c=weight.shape[1]
                )
        return for_x, for_weight


def _transformed(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply the frames of ``(b, c, t, v)`` by a matrix ``(m, t)``: ``(b, v, m, c)``, in the products' order."""
    matrix = matrix.to(x.dtype)
    b, _, _, v = x.shape
    if by_convolution(x.movedim(3, 1)):
        y = torch.bmm(matrix.expand(b, -1, -1), rearrange(x, "b c t v -> b t (v c)"))
        return rearrange(y, "b m (v c) -> b v m c", v=v).contiguous()
    y = matrix @ rearrange(x, "b c t v -> t (b v c)")
    return rearrange(y, "m (b v c) -> b v m c", b=b, v=v)


def _weights(taps: Tensor, weight: Tensor) -> Tensor:
    """Multiply the taps of ``(o, c, k, 1)`` by a matrix ``(m, k)``: ``(m, o, c)``."""
    y = taps @ rearrange(weight, "o c k 1 -> k (o c)")
    return rearrange(y, "m (o c) -> m o c", o=weight.shape[0])


def _frames_of(products: Tensor, matrix: Tensor) -> Tensor:
    """Multiply ``(b, v, m, o)`` by a matrix ``(t, m)``: ``(b, o, t, v)``, with channels-last strides."""
    matrix = matrix.to(products.dtype)
    b, v, _, _ = products.shape
    if by_convolution(products):
        y = torch.bmm(matrix.expand(b, -1, -1), rearrange(products, "b v m o -> b m (v o)"))
        return rearrange(y, "b t (v o) -> b o t v", v=v)
    y = matrix @ rearrange(products, "b v m o -> m (b v o)")
    return rearrange(rearrange(y, "t (b v o) -> b t v o", b=b, v=v).contiguous(), "b t v o -> b o t v")


def _matrices(frames: int, weight: Tensor) -> list[Tensor]:
    """The matrices A ``(m, t)``, B ``(m, k)`` and C ``(t, m)``."""
    return [torch.from_numpy(each).to(weight.dtype) for each in _exact_matrices(frames, weight.shape[2])]


@lru_cache
def _exact_matrices(frames: int, taps: int) -> list[npt.NDArray[np.float64]]:
    points = frames + taps // 2
    of_frames, of_taps, back = [], [], []
    for frequency in range(points // 2 + 1):
        angle = 2 * np.pi * frequency / points
        x_angles, w_angles = angle * np.arange(frames), angle * (np.arange(taps) - taps // 2)
        real, imaginary = np.cos(x_angles), -np.sin(x_angles)  # of a frame
        w_real, w_imaginary = np.cos(w_angles), np.sin(w_angles)  # of a tap
        if 2 * frequency in (0, points):  # the imaginary parts are zero
            of_frames.append(real)
            of_taps.append(w_real)
            back.append(real / points)
            continue
        # With p = w_real (real + imaginary), q = (w_imaginary - w_real) real and r = (w_real + w_imaginary) imaginary,
        # the product is p - r + i (p + q).
        of_frames += [real + imaginary, real, imaginary]
        of_taps += [w_real, w_imaginary - w_real, w_real + w_imaginary]
        back += [2 / points * each for each in (real + imaginary, imaginary, -real)]  # two: a frequency and its mirror
    return [np.stack(of_frames), np.stack(of_taps), np.stack(back, axis=1)]
