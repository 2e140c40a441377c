"""Differences between the frames of a clip.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import torch
from einops import repeat
from torch import Tensor

from skelblocks.clips.frame_mask import frame_mask


def frame_steps(x: Tensor, *, across_absence: bool) -> Tensor:
    """Displacements from each frame to the next, ``x[t + 1] - x[t]``.

    Args:
        x: Clips ``(n, c, t, v, m)``, t at least 1.
        across_absence: Whether to compute the difference if the person is absent (all zeros) in one of the two frames.
            Otherwise it is zero.

    Returns:
        ``(n, c, t - 1, v, m)``, same dtype.

    Example:
        >>> x = torch.tensor([1.0, 2.0, 5.0, 0.0]).view(1, 1, 4, 1, 1)
        >>> frame_steps(x, across_absence=False).flatten(), frame_steps(x, across_absence=True).flatten()
        (tensor([1., 3., 0.]), tensor([ 1.,  3., -5.]))
    """
    steps = x[:, :, 1:] - x[:, :, :-1]
    if across_absence:
        return steps
    present = frame_mask(x)
    # Copy the mask for each joint: a stride of 0 between two long axes is several times slower.
    there = repeat(present[:, 1:] & present[:, :-1], "n t m -> n 1 t v m", v=x.shape[3]).contiguous()
    return torch.where(there, steps, 0)
