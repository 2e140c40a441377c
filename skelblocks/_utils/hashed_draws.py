"""Random numbers from keys: a draw depends only on its key and its place, not on earlier draws.

Integers have 32 bits, stored as int64. The mixing function is a multiply-xorshift permutation with a constant of less
than 31 bits, so that no product overflows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def mix(x: Tensor) -> Tensor:
    """A fixed permutation of the 32-bit integers that looks random."""
    x = (x ^ (x >> 16)) * 0x21F0AAAD & _MASK
    x = (x ^ (x >> 15)) * 0x735A2D97 & _MASK
    return x ^ (x >> 15)


def key(*parts: Tensor | int, device: torch.device | str | None = None) -> Tensor:
    """One 32-bit key for each row of the parts, such as a seed, a label and a subject. The order of the parts matters.

    Example:
        >>> a = key(0, torch.tensor([1, 2, 3]))
        >>> b = key(0, torch.tensor([3]))
        >>> bool(a[2] == b[0]), bool(a[0] == a[1])
        (True, False)
    """
    state = torch.zeros((), dtype=torch.int64, device=device)
    for part in parts:
        number = torch.as_tensor(part, dtype=torch.int64, device=device)
        state = mix((mix(state) + number + 0x1E3779B9) & _MASK)
    return state


def uniform(keys: Tensor, stream: int, places: Sequence[Tensor | int], *, dtype: torch.dtype) -> Tensor:
    """Independent draws in (0, 1), one for each key and each place.

    Args:
        keys: ``(n)``, from :func:`key`.
        stream: Number of the quantity to draw. Each quantity has its own number.
        places: The axes after the first. Each is a size, or ``(k)`` indices to draw only some places.
        dtype: Dtype of the result. The draws are odd multiples of 2 ** -24, which are exact in float32.

    Returns:
        ``(n, *places)``.

    Example:
        >>> draws = uniform(key(torch.arange(2)), 0, [50, torch.tensor([7, 3])], dtype=torch.float32)
        >>> draws.shape, bool(((0 < draws) & (draws < 1)).all())
        (torch.Size([2, 50, 2]), True)
    """
    state = key(keys, stream, device=keys.device)
    for place in places:
        axis = place.to(keys.device) if isinstance(place, Tensor) else torch.arange(place, device=keys.device)
        state = mix((state[..., None] + mix(axis + 1)) & _MASK)
    return ((state >> 9).to(dtype) + 0.5) * 2.0**-23


def normal(keys: Tensor, stream: int, places: Sequence[Tensor | int], *, dtype: torch.dtype) -> Tensor:
    """Independent draws from the standard normal distribution; see :func:`uniform`."""
    return torch.erfinv(uniform(keys, stream, places, dtype=dtype) * 2 - 1) * math.sqrt(2)
