"""Turn autocast off for a section of code."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def autocast_off(x: Tensor) -> AbstractContextManager[object]:
    """A context without autocast on the device of ``x``. It does nothing on devices without autocast, such as ``meta``.

    Example:
        >>> a = torch.ones(2, 2)
        >>> with torch.autocast("cpu", dtype=torch.bfloat16), autocast_off(a):
        ...     (a @ a).dtype
        torch.float32
    """
    device = x.device.type
    if not torch.amp.is_autocast_available(device):
        return nullcontext()
    return torch.autocast(device_type=device, enabled=False)
