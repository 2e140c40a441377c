"""Sinusoidal positional encoding.

Axes: c channels, p positions (joints or frames).
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor

from skelblocks._utils.checks import check_integer


def positional_encoding(channels: int, length: int) -> Tensor:
    r"""Sines and cosines of every position, at wavelengths from :math:`2\pi` to :math:`10000 \cdot 2\pi`.

    .. math:: e_{2i,\,p} = \sin\big(p \cdot 10000^{-2i/c}\big), \qquad
        e_{2i+1,\,p} = \cos\big(p \cdot 10000^{-2i/c}\big)

    This is the encoding of the Transformer; DSTA uses it for joints and for frames. With an odd number of channels, the
    last channel is a sine.

    Args:
        channels: c.
        length: Number of positions, counted from 0.

    Returns:
        ``(c, p)``, in the default dtype and on the default device, rounded from float64.

    Raises:
        TypeError: a size that is not an integer.
        ValueError: a size below 1.

    Example:
        >>> positional_encoding(4, 2)
        tensor([[0.0000, 0.8415],
                [1.0000, 0.5403],
                [0.0000, 0.0100],
                [1.0000, 0.9999]])
    """
    check_integer(channels, name="channels")
    check_integer(length, name="length")
    # Compute on the CPU, because not every device has float64.
    with torch.device("cpu"):
        rates = torch.exp(torch.arange(0, channels, 2, dtype=torch.float64) * (-math.log(10000.0) / channels))
        angles = rates[:, None] * torch.arange(length, dtype=torch.float64)
    encoding = rearrange([angles.sin(), angles.cos()], "two i p -> (i two) p")[:channels]
    return encoding.to(torch.get_default_dtype()).to(torch.empty(0).device)
