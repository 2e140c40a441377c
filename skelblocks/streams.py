"""Streams: the joints of a clip, its bones, and the motion of joints and bones.

Compute streams after augmentation, on the batch. Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from einops import repeat
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_boolean, check_choice, check_floating
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.frame_mask import frame_mask
from skelblocks.clips.frame_steps import frame_steps
from skelblocks.layouts import SkeletonLayout, get

__all__ = ["ORDERS", "STREAMS", "Order", "Stream", "acceleration", "bone", "bone_motion", "convert", "joint", "motion"]

#: The name of a stream, for :func:`convert`.
Stream = Literal["joint", "bone", "motion", "bone_motion", "acceleration"]
#: All streams.
STREAMS: tuple[Stream, ...] = get_args(Stream)
#: An order of :func:`bone`.
Order = Literal["graph", "index"]
#: All orders.
ORDERS: tuple[Order, ...] = get_args(Order)


@explain_arguments
def joint(x: Tensor) -> Tensor:
    """The joints themselves: the clip, without a copy.

    Args:
        x: Clips ``(n, c, t, v, m)``.

    Returns:
        ``x``.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, c, t, v, m)``.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> joint(x) is x
        True
    """
    _check(x)
    return x


@explain_arguments
def bone(
    x: Tensor,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    order: Order = "graph",
    seen: Tensor | None = None,
) -> Tensor:
    """Each joint's bone: ``b[v] = x[v] - x[parent(v)]``. The center's bone is zero.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        layout: The skeleton, for the parents; a name, a dict or a layout of v joints.
        order: ``"graph"`` uses the neighbor towards the center, as in the released code of SkeletonCLR, AimCLR and
            MsMCLR. ``"index"`` is CrossMoCo's eq. 8 as printed, ``b[v] = x[v + 1] - x[v]``: the next joint in the
            data's order, even if no bone connects the two. The last bone is zero. The paper's text mentions adjacent
            joints.
        seen: Boolean ``(n, t, v, m)``, true where a joint is seen. A bone is zero unless both ends are seen. By default
            all joints count, including filled joints.

    Returns:
        The bones, same shape and dtype. An absent person stays zero.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with the layout's v, or the order is unknown.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> b = bone(x, layout="ntu-rgb+d")
        >>> b[:, :, :, 5].equal(x[:, :, :, 5] - x[:, :, :, 4])  # the left elbow hangs on the left shoulder
        True
    """
    layout = get(layout)
    _check(x, v=layout.num_joints)
    check_choice(order, ORDERS, name="order")
    parents = torch.tensor(layout.parents, device=x.device)
    if seen is not None:
        _check_seen(seen, x)
        others = (
            parents
            if order == "graph"
            else torch.arange(1, layout.num_joints + 1, device=x.device).clamp(max=layout.num_joints - 1)
        )
        both = seen & seen.index_select(2, others)
        return torch.where(both[:, None], bone(x, layout=layout, order=order), 0)
    if order == "index":
        return F.pad(x[:, :, :, 1:] - x[:, :, :, :-1], (0, 0, 0, 1))
    n, c, t, v, m = x.shape
    # Gather joints and persons as one axis: selecting joint by joint would copy only m numbers at a time.
    place = (parents[:, None] * m + torch.arange(m, device=x.device)).flatten()
    return x - x.reshape(n * c * t, v * m).index_select(1, place).view(x.shape)


@explain_arguments
def motion(x: Tensor, *, across_absence: bool = False, seen: Tensor | None = None) -> Tensor:
    """Displacement to the next frame: ``m[i] = x[i + 1] - x[i]``. The motion of the last frame is zero.

    If a person is absent (all zeros) in one of the two frames, the motion is zero: a person who leaves, or zero padding
    at the end of a clip, is not a movement to the origin.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        across_absence: Whether to compute the difference there too: a jump of ``-x`` when a person leaves, and of ``x``
            when a person enters. True is the released code of SkeletonCLR, AimCLR and MsMCLR.
        seen: Boolean ``(n, t, v, m)``, true where a joint is seen. The motion is zero unless the joint is seen in both
            frames. By default all joints count, including filled joints.

    Returns:
        The motion, same shape and dtype. An absent person stays zero.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, c, t, v, m)``.

    Example:
        >>> x = torch.tensor([1.0, 2.0, 5.0, 0.0]).view(1, 1, 4, 1, 1)  # leaves before the last frame
        >>> motion(x).flatten().tolist(), motion(x, across_absence=True).flatten().tolist()
        ([1.0, 3.0, 0.0, 0.0], [1.0, 3.0, -5.0, 0.0])
    """
    _check(x)
    if x.shape[2] == 0:
        return x
    steps = frame_steps(x, across_absence=across_absence)
    if seen is not None:
        _check_seen(seen, x)
        steps = torch.where((seen[:, 1:] & seen[:, :-1])[:, None], steps, 0)
    return F.pad(steps, (0, 0, 0, 0, 0, 1))


@explain_arguments
def bone_motion(
    x: Tensor,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    order: Order = "graph",
    across_absence: bool = False,
    seen: Tensor | None = None,
) -> Tensor:
    """The :func:`motion` of each :func:`bone`: its change to the next frame. The last frame is zero.

    It is the fourth stream of supervised methods since MS-G3D and CTR-GCN. If a person is absent in one of the two
    frames, it is zero, as in :func:`motion`.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        layout: The skeleton, for the parents; a name, a dict or a layout of v joints.
        order: See :func:`bone`.
        across_absence: See :func:`motion`.
        seen: Boolean ``(n, t, v, m)``, true where a joint is seen. The motion is zero unless both ends of the bone are
            seen in both frames. By default all joints count, including filled joints.

    Returns:
        The motion of the bones, same shape and dtype. An absent person stays zero.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with the layout's v, or the order is unknown.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> moves, bones = bone_motion(x, layout="ntu-rgb+d"), bone(x, layout="ntu-rgb+d")
        >>> moves[:, :, :-1].allclose(bones[:, :, 1:] - bones[:, :, :-1], atol=1e-5)
        True
    """
    moves = motion(x, across_absence=across_absence, seen=seen)
    if seen is not None:
        seen = torch.cat((seen[:, 1:] & seen[:, :-1], seen[:, -1:]), dim=1)
    # Computing bones is linear, so it can follow the motion, which handles absent persons.
    return bone(moves, layout=layout, order=order, seen=seen)


@explain_arguments
def acceleration(x: Tensor, *, across_absence: bool = False, seen: Tensor | None = None) -> Tensor:
    """Change of the motion: ``a[i] = x[i + 2] - 2 * x[i + 1] + x[i]``. The last two frames are zero.

    IKEM (arXiv 2309.12009) adds it to the three usual streams. Its released code multiplies the result by
    ``(50 / frames) ** 2``, where ``frames`` is the length of the clip before it was resampled to 50 frames.

    Unlike ``motion(motion(x))``, it does not treat the zero at the end of :func:`motion` as a stop. If a person is
    absent (all zeros) in one of the three frames, the acceleration is zero.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        across_absence: Whether to compute the difference there too, as IKEM's released code does.
        seen: Boolean ``(n, t, v, m)``, true where a joint is seen. The acceleration is zero unless the joint is seen in
            all three frames. By default all joints count, including filled joints.

    Returns:
        The acceleration in units of ``x`` per frame squared, same shape and dtype. An absent person stays zero.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, c, t, v, m)``.

    Example:
        >>> x = torch.tensor([0.0, 1.0, 4.0, 9.0, 16.0]).view(1, 1, 5, 1, 1) + 1
        >>> acceleration(x).flatten().tolist()
        [2.0, 2.0, 2.0, 0.0, 0.0]
    """
    _check(x)
    if seen is not None:
        _check_seen(seen, x)
    if x.shape[2] < 3:
        return torch.zeros_like(x)
    steps = x[:, :, 1:] - x[:, :, :-1]
    changes = steps[:, :, 1:] - steps[:, :, :-1]
    if not across_absence:
        present = frame_mask(x)
        present = present[:, 2:] & present[:, 1:-1] & present[:, :-2]
        changes = torch.where(repeat(present, "n t m -> n 1 t v m", v=x.shape[3]).contiguous(), changes, 0)
    if seen is not None:
        changes = torch.where((seen[:, 2:] & seen[:, 1:-1] & seen[:, :-2])[:, None], changes, 0)
    return F.pad(changes, (0, 0, 0, 0, 0, 2))


@explain_arguments
def convert(
    x: Tensor,
    stream: Stream,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    order: Order = "graph",
    across_absence: bool = False,
    seen: Tensor | None = None,
) -> Tensor:
    """Convert clips to the stream with this name.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        stream: One of ``STREAMS``: ``"joint"``, ``"bone"``, ``"motion"``, ``"bone_motion"`` or ``"acceleration"``.
        layout: The skeleton, for bones; a name, a dict or a layout.
        order: The order of bones, see :func:`bone`.
        across_absence: For differences between frames, see :func:`motion`.
        seen: The joints that are seen, for all streams except ``"joint"``.

    Returns:
        The stream, same shape and dtype.

    Raises:
        ValueError: an unknown stream, or an argument that the stream's function rejects.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> convert(x, "motion", layout="ntu-rgb+d").equal(motion(x))
        True
    """
    check_choice(stream, STREAMS, name="stream")
    if stream == "joint":
        return joint(x)
    if stream == "bone":
        return bone(x, layout=layout, order=order, seen=seen)
    if stream == "bone_motion":
        return bone_motion(x, layout=layout, order=order, across_absence=across_absence, seen=seen)
    if stream == "acceleration":
        return acceleration(x, across_absence=across_absence, seen=seen)
    return motion(x, across_absence=across_absence, seen=seen)


def _check_seen(seen: Tensor, x: Tensor) -> None:
    n, _, t, v, m = x.shape
    check_axes(seen, "n t v m", name="seen", n=n, t=t, v=v, m=m)
    check_boolean(seen, name="seen")


def _check(x: Tensor, **sizes: int) -> None:
    check_axes(x, "n c t v m", name="x", **sizes)
    check_floating(x, name="x")
