"""The end of a block with few passes over memory: dropout of the branch, sum with the residual, ReLU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F


def drop_add_relu(
    x: Tensor, residual: Tensor | None = None, *, p: float = 0.0, training: bool = True, slope: float = 0.0
) -> Tensor:
    r"""Drop values of a branch, add the residual, and apply a ReLU.

    .. math:: y = \sigma\Big(\frac{m \, x}{1 - p} + r\Big), \qquad m \sim \operatorname{Bernoulli}(1 - p)

    where :math:`\sigma` is the ReLU, or the leaky ReLU with a slope. On the CPU, the mask comes from random bytes,
    which torch draws several times faster than uniform numbers. If ``256 p`` is not an integer, it uses pairs of bytes,
    and the probability is rounded to a multiple of ``2 ** -16``. Backward needs only the mask, as integers, and the
    result. On other devices, in compiled and exported graphs, under ``vmap`` and in forward-mode differentiation, it
    calls ``torch.nn.functional`` for each step.

    Args:
        x: The branch, of any shape.
        residual: A tensor of the same shape, or None.
        p: Probability of dropping a value of the branch.
        training: Whether to drop values.
        slope: Slope of the leaky ReLU for negative values. Zero gives the ReLU.

    Returns:
        A tensor with the shape and strides of ``x``.

    Example:
        >>> drop_add_relu(torch.tensor([1.0, -2.0, 3.0]), torch.tensor([1.0, 1.0, -1.0]))
        tensor([2., 0., 2.])
    """
    if not training or not 0 < p < 1 or x.device.type != "cpu" or in_a_transform(x):
        y = F.dropout(x, p, training)
        if residual is None:
            return F.leaky_relu(y, slope) if slope else F.relu(y)
        return F.leaky_relu_(y + residual, slope) if slope else F.relu_(y + residual)
    if residual is not None:
        x = x.to(torch.promote_types(x.dtype, residual.dtype))
        residual = residual.to(x.dtype)
    mask, keep = keep_mask(x, p)
    dropped: Tensor = _DropAddReLU.apply(x, residual, mask, 1 / keep, slope)  # type: ignore[no-untyped-call]
    return dropped


def keep_mask(x: Tensor, p: float) -> tuple[Tensor, float]:
    """Zeros and ones with the shape and strides of ``x``, and the probability of a one.

    Example:
        >>> mask, keep = keep_mask(torch.zeros(2, 3), 0.3)
        >>> mask.shape, round(keep, 4)
        (torch.Size([2, 3]), 0.7)
    """
    dtype, values = (torch.int8, 2**8) if (p * 2**8).is_integer() else (torch.int16, 2**16)
    dropped = round(p * values)
    mask = torch.empty_like(x, dtype=dtype)
    # Each draw has eight bytes. With None as the upper end, torch draws from all values of int64.
    draws = torch.empty(mask.nbytes // 8 + 1, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    mask.as_strided((mask.numel(),), (1,)).copy_(draws.view(dtype)[: mask.numel()])
    return mask.ge_(dropped - values // 2), 1 - dropped / values


class _DropAddReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor | None, mask: Tensor, factor: float, slope: float) -> Tensor:
        kept = mask.to(x.dtype)
        # Write to the memory of the mask, which has the strides of x.
        y = kept.mul_(x).mul_(factor) if residual is None else torch.addcmul(residual, x, kept, value=factor, out=kept)
        y = F.leaky_relu_(y, slope) if slope else F.relu_(y)
        ctx.save_for_backward(mask, y)
        ctx.factor, ctx.slope = factor, slope
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        mask, y = ctx.saved_tensors
        gradient = torch.ops.aten.leaky_relu_backward(gradients[0], y, ctx.slope, True)
        branch = (gradient * mask.to(y.dtype)).mul_(ctx.factor) if ctx.needs_input_grad[0] else None
        return branch, gradient if ctx.needs_input_grad[1] else None, None, None, None


def in_a_transform(x: Tensor) -> bool:
    """Whether a graph is recorded, or a transform of ``torch.func`` is at work."""
    return bool(
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state()
        or torch._C._functorch.is_functorch_wrapped_tensor(x)
        or forward_ad._current_level >= 0
    )
