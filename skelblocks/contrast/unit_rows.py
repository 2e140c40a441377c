"""Normalize embeddings to unit length.

Axes: n samples, d embedding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_filled, check_floating
from skelblocks._utils.explain_arguments import explain_arguments


@explain_arguments
def unit_rows(x: Tensor, *, name: str = "x") -> Tensor:
    """L2-normalize every row, so that the dot product of two rows is their cosine.

    Half-precision rows are normalized in float32: a cosine rounded to bfloat16 and divided by a temperature of 0.07 has
    an error of up to 0.03. Rows that already have length one do not change, up to rounding. Each row is first scaled by
    a power of two that brings its largest number near 1, so rows work even if their squares overflow or underflow.

    Args:
        x: Embeddings ``(n, d)``.
        name: The argument's name in error messages.

    Returns:
        ``(n, d)``, float32, or float64 if ``x`` is. A row of zeros stays zero; a row with NaN or infinity has NaN.

    Raises:
        TypeError: ``x`` is not a floating-point tensor.
        ValueError: ``x`` is not ``(n, d)``, or ``d`` is 0.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0], [3e30, 4e30], [3e-40, 4e-40]]))
        tensor([[0.6000, 0.8000],
                [0.6000, 0.8000],
                [0.6000, 0.8000]])
    """
    check_axes(x, "n d", name=name)
    check_filled(x, "n d", name=name, filled="d")
    check_floating(x, name=name)
    return normalize_rows(x)


def normalize_rows(x: Tensor) -> Tensor:
    """Compute :func:`unit_rows` of ``(..., n, d)`` without its checks."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    x = x * _power_of_two(x.detach())
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / length.masked_fill(length == 0, 1)


def _power_of_two(x: Tensor) -> Tensor:
    """The factor ``(..., n, 1)`` that brings the largest number of each row near 1; 1 for rows of zeros."""
    limit = -math.log2(torch.finfo(x.dtype).tiny)
    largest = x.abs().amax(dim=-1, keepdim=True)
    exponent = largest.log2().floor().clamp(-limit, limit)  # so that both the power and its inverse are normal numbers
    return torch.exp2(-exponent).masked_fill(largest == 0, 1)
