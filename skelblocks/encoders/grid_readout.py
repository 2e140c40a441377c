"""Describe the maps of several blocks on a grid of body parts and thirds of the time.

Axes: n samples, m persons, c channels, t frames, v joints, a thirds of the frames, g parts.
"""

from __future__ import annotations

import math

import torch
from einops import einsum, rearrange
from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.autocast_off import autocast_off
from skelblocks.encoders.pool import count_seen, pool

STATISTICS = 2  # mean and standard deviation
THIRDS = 3


def grid_of_map(x: Tensor, parts: Tensor, person_mask: Tensor | None = None, *, seen: Tensor | None = None) -> Tensor:
    r"""Describe each part of the body in each third of the frames by two numbers a channel.

    The cell of part g and third a holds the mean :math:`\mu` and the standard deviation :math:`\sigma` over its frames
    and joints. The cells are averaged over persons. The vector of all :math:`\mu` and the vector of all :math:`\sigma`
    are scaled to unit length, so that blocks of different magnitude count the same.

    Then a fixed rotation, a cosine transform over the channels of each cell, mixes the numbers. Distances and angles
    stay as they are. Without it many numbers are almost constant, because a channel is rarely active in a cell, and
    their few large values would mislead a linear classifier on standardized features.

    Args:
        x: ``(n, m, c, t, v)``.
        parts: ``(v, g)``, which averages the joints of each part, see :func:`~skelblocks.layouts.pooling_matrix`.
        person_mask: Boolean ``(n, m)``, as for :func:`~skelblocks.encoders.pool`.
        seen: Boolean ``(n, t_clip, v, m)``, as for :func:`~skelblocks.encoders.pool`. A cell of which nothing is seen
            keeps its plain statistics.

    Returns:
        ``(n, 2 * 3 * g * c)``: all mixed means, then all mixed deviations.

    Example:
        >>> from skelblocks import layouts
        >>> parts = layouts.pooling_matrix("ntu-rgb+d", scale="part")
        >>> grid_of_map(torch.randn(4, 1, 8, 13, 25), parts).shape
        torch.Size([4, 480])
    """
    with autocast_off(x):  # variances need more than bfloat16
        values = x if x.dtype == torch.float64 else x.float()
        counted = None
        if seen is not None:
            counted, there = count_seen(values, seen)
            person_mask = there if person_mask is None else there & person_mask
        cells = pool(
            rearrange(_cells(values, parts.to(values), counted), "k n m c a g -> n m (k c a g) 1 1"), person_mask
        )
        unit = F.normalize(rearrange(cells, "n (k d) -> n k d", k=STATISTICS), dim=2)
        by_channel = rearrange(unit, "n k (c cells) -> n k c cells", c=x.shape[2])
        return (cosine_transform(x.shape[2], dtype=unit.dtype).to(unit) @ by_channel).flatten(1).to(x.dtype)


def _cells(x: Tensor, parts: Tensor, counted: Tensor | None) -> list[Tensor]:
    """Mean and standard deviation, ``(n, m, c, a, g)`` each."""
    over_frames = thirds(x.shape[3]).to(x)

    def over_cell(values: Tensor) -> Tensor:
        return einsum(values, over_frames, parts, "n m c t v, t a, v g -> n m c a g")

    share = None if counted is None else over_cell(counted.to(x))

    def average(values: Tensor) -> Tensor:
        plain = over_cell(values)
        if counted is None or share is None:
            return plain
        return torch.where(share > 0, over_cell(values * counted) / share.where(share > 0, 1), plain)

    offset = x.mean(dim=(3, 4), keepdim=True)  # E[x^2] - E[x]^2 of centered values does not cancel
    centered_mean = average(x - offset)
    variance = average((x - offset).square()) - centered_mean.square()
    spread = variance > 1e-12  # a root has no gradient at zero, where an absent person's map lies
    std = variance.where(spread, 1).sqrt().where(spread, 0)
    return [centered_mean + offset, std]


def cosine_transform(size: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """The orthogonal matrix ``(size, size)`` of the discrete cosine transform (DCT-II).

    Example:
        >>> cosine = cosine_transform(8)
        >>> (cosine @ cosine.T).allclose(torch.eye(8), atol=1e-6)
        True
    """
    frequency, place = torch.arange(size)[:, None], torch.arange(size)
    quarter_turns = frequency * (2 * place + 1) % (4 * size)  # exact integers keep the angle small
    matrix = torch.cos(quarter_turns.to(dtype or torch.get_default_dtype()) * (torch.pi / (2 * size)))
    return torch.cat([matrix[:1] / math.sqrt(2), matrix[1:]]) * math.sqrt(2 / size)


def thirds(frames: int) -> Tensor:
    """``(t, 3)``, which averages the frames of each third; thirds share a frame where t is no multiple of three.

    They are the bins of an adaptive average pooling. ONNX has no such operator for a length that is not known.

    Example:
        >>> thirds(4).T.tolist()
        [[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    frame, third = THIRDS * torch.arange(frames)[:, None], torch.arange(THIRDS)
    inside = ((frame + THIRDS > third * frames) & (frame < (third + 1) * frames)).float()
    return inside / inside.sum(dim=0)
