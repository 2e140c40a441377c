"""Differences between successive frames and between successive joints, the motion that MsM attention looks at.

Axes: t frames, v joints, parts or bodies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_choice

MOTIONS = ("both", "frame", "node")
BOUNDARIES = ("zero_pad", "zero_difference", "replicate")


def motion_difference(z: Tensor, *, motion: str = "both", boundary: str = "zero_pad") -> Tensor:
    r"""Inter-frame and inter-node difference, averaged.

    .. math:: m_{tv} = \tfrac12 \big[(z_{t+1,v} - z_{tv}) + (z_{t,v+1} - z_{tv})\big]

    The next node is the next in the layout's order, whatever joins them (for joints of NTU RGB+D, the left hip comes
    after the right hand). The order of parts and bodies is therefore part of the model.

    Args:
        z: Features ``(..., t, v)``.
        motion: ``"both"``, the default of MsMCLR's section 3.2.2; or ``"frame"`` or ``"node"`` for one difference
            alone, of the ablation in its table 5, which is then not halved, as in the released code.
        boundary: What stands for the difference after the last frame or node, on which the paper is silent.
            ``"zero_pad"``, as in the released code: what follows is zero, so the difference is ``-z`` and not small.
            ``"zero_difference"``: nothing moves any more. ``"replicate"``: the last difference once more, zero if
            there is none.

    Returns:
        The differences, same shape.

    Raises:
        ValueError: fewer than two axes, or an unknown option.

    Example:
        >>> z = torch.tensor([[1.0], [3.0], [7.0]])
        >>> motion_difference(z, motion="frame").flatten().tolist()
        [2.0, 4.0, -7.0]
        >>> motion_difference(z, motion="frame", boundary="replicate").flatten().tolist()
        [2.0, 4.0, 4.0]
    """
    check_axes(z, "... t v", name="z")
    check_choice(motion, MOTIONS, name="motion")
    check_choice(boundary, BOUNDARIES, name="boundary")
    if motion == "frame":
        return _forward_difference(z, -2, boundary)
    if motion == "node":
        return _forward_difference(z, -1, boundary)
    return (_forward_difference(z, -2, boundary) + _forward_difference(z, -1, boundary)) / 2


def _forward_difference(z: Tensor, dim: int, boundary: str) -> Tensor:
    difference = z.diff(dim=dim)
    last = z.narrow(dim, z.shape[dim] - 1, 1)
    if boundary == "zero_pad":
        end = -last
    elif boundary == "zero_difference" or z.shape[dim] == 1:
        end = torch.zeros_like(last)
    else:
        end = difference.narrow(dim, z.shape[dim] - 2, 1)
    return torch.cat((difference, end), dim=dim)
