"""Products with weights, one for each group of channels, by the faster of torch's two CPU libraries.

Axes: a and b positions, g groups, c input channels, o output channels.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from skelblocks._utils.autocast_dtype import autocast_dtype
from skelblocks.encoders.drop_add_relu import in_a_transform

_LEAST_ROWS = 16  # with one thread, torch gives convolutions of fewer samples to a slower library


def grouped_linear(x: Tensor, weight: Tensor) -> Tensor:
    r"""Multiply the channels of each group by a matrix of its own.

    .. math:: y_{abgo} = \sum_c W_{goc} \, x_{abgc}

    In float32 on the CPU, torch computes products by MKL and convolutions by oneDNN. On many processors, oneDNN is
    twice as fast, so this function calls a convolution with a kernel of size one. The gradient of the weights is a
    product in any case.

    Args:
        x: ``(a, b, g, c)``.
        weight: ``(g, o, c)``.

    Returns:
        ``(a, b, g, o)``. It is contiguous for a single group, and in float32 on the CPU.

    Example:
        >>> x, weight = torch.randn(20, 8, 3, 4), torch.randn(3, 5, 4)
        >>> grouped_linear(x, weight).allclose(torch.einsum("abgc, goc -> abgo", x, weight), atol=1e-5)
        True
    """
    if by_convolution(x):
        y: Tensor = _Convolved.apply(x, weight)  # type: ignore[no-untyped-call]
        return y
    if len(weight) == 1:
        return torch.nn.functional.linear(x, weight[0])
    y = torch.bmm(rearrange(x, "a b g c -> g (a b) c"), weight.mT)
    return rearrange(y, "g (a b) o -> a b g o", a=x.shape[0])


def by_convolution(x: Tensor) -> bool:
    """Whether a convolution computes the products of ``(a, b, g, c)``."""
    return (
        on_plain_cpu(x)  # first: in an exported graph, sizes cannot be compared
        and x.dtype == autocast_dtype(x) == torch.float32
        and x.shape[0] >= _LEAST_ROWS
        and x.shape[1] >= 8  # a convolution of single positions is slow
    )


def on_plain_cpu(x: Tensor) -> bool:
    """Whether torch computes with this tensor at once, by oneDNN: not in a graph or a transform of ``torch.func``."""
    if in_a_transform(x) or x.device.type != "cpu" or type(x) is not Tensor:
        return False
    backend = torch.backends.mkldnn  # oneDNN's earlier name
    return bool(backend.is_available() and backend.enabled)  # type: ignore[no-untyped-call]


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return convolved(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        for_x = grouped_linear(gradient, weight.mT) if ctx.needs_input_grad[0] else None
        return for_x, weight_gradient(gradient, x) if ctx.needs_input_grad[1] else None


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    """:func:`grouped_linear` by a convolution over positions ``b``."""
    pixels = rearrange(x.contiguous(), "a b g c -> a (g c) b 1")  # channels-last strides
    y = torch.nn.functional.conv2d(pixels, rearrange(weight, "g o c -> (g o) c 1 1"), groups=len(weight))
    return rearrange(y, "a (g o) b 1 -> a b g o", g=len(weight))


def weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """The gradient ``(g, o, c)`` of the weights, for a gradient ``(a, b, g, o)`` and ``(a, b, g, c)``."""
    return torch.bmm(rearrange(gradient, "a b g o -> g o (a b)"), rearrange(x, "a b g c -> g (a b) c"))
