"""Streams: the joints of a clip, its bones, or its motion.

Streams are derived after augmentation, on the batch. Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_choice
from skelblocks.layouts import SkeletonLayout, get

__all__ = ["ORDERS", "STREAMS", "bone", "convert", "joint", "motion"]

#: The streams of :func:`convert`.
STREAMS = ("joint", "bone", "motion")
#: The orders of :func:`bone`.
ORDERS = ("graph", "index")


def joint(x: Tensor) -> Tensor:
    """The joints themselves: the clip as it is, not a copy.

    Args:
        x: Clips ``(n, c, t, v, m)``.

    Returns:
        ``x``.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> joint(x) is x
        True
    """
    check_axes(x, "n c t v m", name="x")
    return x


def bone(x: Tensor, *, layout: str | Mapping[str, Any] | SkeletonLayout, order: str = "graph") -> Tensor:
    """Each joint's bone: ``b[v] = x[v] - x[parent(v)]``; the centre's is zero.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        layout: Whose parents to use; a name, a dict or a layout of v joints.
        order: ``"graph"`` for the neighbour towards the centre, as in the released code of SkeletonCLR, AimCLR and
            MsMCLR. ``"index"`` is CrossMoCo's eq. 8 as printed, ``b[v] = x[v + 1] - x[v]``: the next joint in the
            data's order, whether or not a bone joins the two; the last is zero. Its text speaks of adjacent joints.

    Returns:
        The bones, same shape and dtype. An absent person stays zero.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with the layout's v, or the order is unknown.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> b = bone(x, layout="ntu-rgb+d")
        >>> b[:, :, :, 5].equal(x[:, :, :, 5] - x[:, :, :, 4])  # the left elbow hangs on the left shoulder
        True
    """
    layout = get(layout)
    check_axes(x, "n c t v m", name="x", v=layout.num_joints)
    check_choice(order, ORDERS, name="order")
    if order == "index":
        return F.pad(x[:, :, :, 1:] - x[:, :, :, :-1], (0, 0, 0, 1))
    n, c, t, v, m = x.shape
    parents = torch.tensor(layout.parents, device=x.device)
    # Joints and persons are taken as one axis: taking joint by joint would copy m numbers at a time.
    place = (parents[:, None] * m + torch.arange(m, device=x.device)).flatten()
    return x - x.reshape(n * c * t, v * m).index_select(1, place).view(x.shape)


def motion(x: Tensor) -> Tensor:
    """Displacement to the next frame: ``m[i] = x[i + 1] - x[i]``; the last frame's is zero.

    Args:
        x: Clips ``(n, c, t, v, m)``.

    Returns:
        The motion, same shape and dtype. An absent person stays zero.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``.

    Example:
        >>> motion(torch.tensor([0.0, 1.0, 4.0]).view(1, 1, 3, 1, 1)).flatten().tolist()
        [1.0, 3.0, 0.0]
    """
    check_axes(x, "n c t v m", name="x")
    if x.shape[2] == 0:
        return x
    return F.pad(x[:, :, 1:] - x[:, :, :-1], (0, 0, 0, 0, 0, 1))


def convert(
    x: Tensor, stream: str, *, layout: str | Mapping[str, Any] | SkeletonLayout, order: str = "graph"
) -> Tensor:
    """The stream of that name.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        stream: One of ``STREAMS``: ``"joint"``, ``"bone"`` or ``"motion"``.
        layout: For the bones; a name, a dict or a layout.
        order: For the bones, see :func:`bone`.

    Returns:
        The stream, same shape and dtype.

    Raises:
        ValueError: an unknown stream, or what the stream's function refuses.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> convert(x, "motion", layout="ntu-rgb+d").equal(motion(x))
        True
    """
    check_choice(stream, STREAMS, name="stream")
    if stream == "joint":
        return joint(x)
    if stream == "bone":
        return bone(x, layout=layout, order=order)
    return motion(x)
