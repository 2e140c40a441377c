"""The precision in which autocast computes products."""

from __future__ import annotations

import torch
from torch import Tensor


def autocast_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which a product of ``x`` is computed: autocast's for float32 inside autocast, otherwise its own.

    Example:
        >>> x = torch.ones(2)
        >>> with torch.autocast("cpu", dtype=torch.bfloat16):
        ...     autocast_dtype(x), autocast_dtype(x.double())
        (torch.bfloat16, torch.float64)
    """
    device = x.device.type
    if x.dtype != torch.float32 or not torch.amp.is_autocast_available(device):
        return x.dtype
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
