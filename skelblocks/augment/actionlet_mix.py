"""Actionlet mixing (ActCLR): one view of a clip inside its actionlet, another view outside.

Axes: n samples, c channels, t frames, v joints, m persons; b frames of a feature map.
"""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_filled, check_floating
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips


@explain_arguments
def actionlet_mix(inside: Tensor, outside: Tensor, mask: Tensor) -> Tensor:
    r"""Blend two views of the same clips, weighted by the actionlet mask.

    .. math:: z_{tv} = A_{tv} \, x_{tv} + (1 - A_{tv}) \, y_{tv}

    ActCLR keeps the moving region of a clip unchanged and applies strong augmentation, or another clip's limbs, only to
    the rest. A feature map has fewer frames than the clip, so the mask is interpolated linearly over the frames.

    Args:
        inside: Clips ``(n, c, t, v, m)``: the view inside the actionlet.
        outside: Clips of the same shape: the view outside the actionlet.
        mask: ``(n, m, 1, b, v)``, numbers in [0, 1], from :func:`~skelblocks.attention.actionlet_mask`.

    Returns:
        The mixed clips, same shape and dtype. Gradient flows to all three arguments.

    Raises:
        TypeError: a tensor that is not floating-point.
        ValueError: clips that are not ``(n, c, t, v, m)``, views of different shapes, or a mask whose persons or joints
            differ.

    Example:
        >>> import torch
        >>> calm, wild = torch.zeros(1, 3, 8, 25, 1), torch.ones(1, 3, 8, 25, 1)
        >>> mask = torch.zeros(1, 1, 1, 2, 25)
        >>> mask[..., 0, 4:8] = 1.0  # the left arm acts, in the first half
        >>> [round(number, 2) for number in actionlet_mix(calm, wild, mask)[0, 0, :, 5, 0].tolist()]
        [0.0, 0.14, 0.29, 0.43, 0.57, 0.71, 0.86, 1.0]
    """
    check_clips(inside)
    n, c, t, v, m = inside.shape
    check_axes(outside, "n c t v m", name="outside", n=n, c=c, t=t, v=v, m=m)
    check_floating(outside, name="outside")
    check_axes(mask, "n m one b v", name="mask", n=n, m=m, one=1, v=v)
    check_floating(mask, name="mask")
    check_filled(mask, "n m one b v", name="mask", filled="b")
    rows = rearrange(mask, "n m 1 b v -> n (m v) b").to(inside.dtype)
    rows = F.interpolate(rows, size=t, mode="linear", align_corners=True)
    weight = rearrange(rows, "n (m v) t -> n 1 t v m", m=m)
    return inside * weight + outside * (1 - weight)
