"""Differences between successive frames and between successive joints, the motion that MsM attention uses.

Axes: t frames, v joints, parts or bodies.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_choice, check_filled, check_floating
from skelblocks._utils.explain_arguments import explain_arguments

Motion = Literal["both", "frame", "node"]
Boundary = Literal["zero_pad", "zero_difference", "replicate"]
MOTIONS: tuple[Motion, ...] = get_args(Motion)
BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)


@explain_arguments
def motion_difference(z: Tensor, *, motion: Motion = "both", boundary: Boundary = "zero_pad") -> Tensor:
    r"""Average of the inter-frame and the inter-node difference.

    .. math:: m_{tv} = \tfrac12 \big[(z_{t+1,v} - z_{tv}) + (z_{t,v+1} - z_{tv})\big]

    The next node is the next one in the layout's order, connected or not. For the joints of NTU RGB+D, the left hip
    follows the right hand. The order of parts and bodies is therefore part of the model.

    Args:
        z: Features ``(..., t, v)``.
        motion: ``"both"`` is the method of MsMCLR's section 3.2.2. ``"frame"`` or ``"node"`` uses only one difference,
            as in the ablation of table 5. As in the released code, a single difference is not halved.
        boundary: The difference after the last frame or node, which the paper does not define. ``"zero_pad"``, as in
            the released code, pads with zeros, so the difference is ``-z``, which is not small. ``"zero_difference"``
            sets it to zero. ``"replicate"`` repeats the last difference, or uses zero if there is none.

    Returns:
        The differences, same shape.

    Raises:
        TypeError: ``z`` is not a floating-point tensor.
        ValueError: ``z`` has fewer than two axes, or no frame or node; or an option is unknown.

    Example:
        >>> z = torch.tensor([[1.0], [3.0], [7.0]])
        >>> motion_difference(z, motion="frame").flatten().tolist()
        [2.0, 4.0, -7.0]
        >>> motion_difference(z, motion="frame", boundary="replicate").flatten().tolist()
        [2.0, 4.0, 4.0]
    """
    check_axes(z, "... t v", name="z")
    check_floating(z, name="z")
    check_filled(z, "... t v", name="z", filled="t v")
    check_choice(motion, MOTIONS, name="motion")
    check_choice(boundary, BOUNDARIES, name="boundary")
    if motion == "frame":
        return _forward_difference(z, -2, boundary)
    if motion == "node":
        return _forward_difference(z, -1, boundary)
    return (_forward_difference(z, -2, boundary) + _forward_difference(z, -1, boundary)) / 2


def _forward_difference(z: Tensor, dim: int, boundary: Boundary) -> Tensor:
    difference = z.diff(dim=dim)
    last = z.narrow(dim, z.shape[dim] - 1, 1)
    if boundary == "zero_pad":
        end = -last
    elif boundary == "zero_difference" or z.shape[dim] == 1:
        end = torch.zeros_like(last)
    else:
        end = difference.narrow(dim, z.shape[dim] - 2, 1)
    return torch.cat((difference, end), dim=dim)
