"""Embeddings on the unit sphere.

Axes: n samples, d embedding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_floating


def unit_rows(x: Tensor, *, name: str = "x") -> Tensor:
    """L2-normalise every row, so that a dot product of two rows is their cosine.

    Half-precision rows are normalised in float32: a cosine rounded to bfloat16 and divided by a temperature of 0.07 is
    off by up to 0.03. Rows that already have length one come back as they are, up to rounding.

    Args:
        x: Embeddings ``(n, d)``.
        name: How an error calls the argument.

    Returns:
        ``(n, d)``, float32, or float64 if ``x`` is. A row of zeros stays zero.

    Raises:
        TypeError: ``x`` is not a floating-point tensor.
        ValueError: ``x`` is not ``(n, d)``.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    check_axes(x, "n d", name=name)
    check_floating(x, name=name)
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1)
