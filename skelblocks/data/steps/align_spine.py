"""Spine alignment: one rotation per clip, after which the person stands along the third coordinate.

Axes: c coordinates (3), t frames, v joints, m persons; leading axes, such as samples, are free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks._utils.checks import check_choice
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.data.steps.check_array import check_array
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.recognize_layout import recognize_layout

MODES = ("spine", "official")
HIP = ("spine_base", "hip_center", "pelvis")
_SPINE = ("spine_middle", "spine", "lower_back", "spine_naval", "spine1")
_SMALL = 1e-6


@explain_arguments
def align_spine(
    x: NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    hip: str | int | None = None,
    spine: str | int | None = None,
    left: str | int | None = None,
    right: str | int | None = None,
    mode: str = "spine",
) -> NDArray[Any]:
    r"""Rotate a clip until its first person's spine lies along the third axis and the shoulders along the first.

    With :math:`u = x_{spine} - x_{hip}` and :math:`s = x_{right} - x_{left}` of one person in one frame, every joint of
    every person and frame is multiplied by the rotation whose rows are :math:`e_1, e_2, e_3`:

    .. math:: e_3 = \frac{u}{|u|}, \qquad e_1 = \frac{s - (s \cdot e_3) e_3}{|s - (s \cdot e_3) e_3|},
        \qquad e_2 = e_3 \times e_1

    The released code of 2s-AGCN does this after centering, with its own second rotation (see ``mode``); its paper does
    not mention it. A rotation never mirrors, and two persons keep their distance and angle.

    Args:
        x: Clips ``(..., 3, t, v, m)`` of floating-point coordinates, centered on the point to turn about.
        layout: The skeleton, for the joints: a name, a dict or a layout.
        hip: Name or number of the lower end of the spine. Default: the layout's ``spine_base``, ``hip_center`` or
            ``pelvis``.
        spine: The joint above it. Default: ``spine_middle``, ``spine``, ``lower_back``, ``spine_naval`` or
            ``spine1``.
        left: Default: ``shoulder_left``.
        right: Default: ``shoulder_right``.
        mode: ``"spine"``: as above, by the first person who is seen in the clip, in the first frame in which both lines
            of that person have a length; where there is none, the clip stays as it is. ``"official"``: the smallest
            turn that brings u onto the third axis, then the smallest that brings the turned s onto the first, which
            tips the spine off its axis by as much as the shoulders do not stand square to it; by person 0, in the first
            frame with that person. A line shorter than :math:`10^{-6}`, or opposite to its axis, turns nothing.

    Returns:
        The turned clips, same shape and dtype. Joints at zero stay there: absent persons and unseen frames.

    Raises:
        TypeError: ``x`` is not an array of floating-point numbers.
        ValueError: Wrong axes, another number of joints than the layout's, a joint that the layout does not have, or an
            unknown mode.

    Example:
        >>> x = np.zeros((3, 1, 20, 1))
        >>> x[1, 0, 1] = 0.5  # the spine upright along the second axis, the hip at the origin
        >>> x[0, 0, 8], x[0, 0, 4] = -0.2, 0.2  # the right shoulder at the lesser first coordinate
        >>> y = align_spine(x, layout="nw-ucla")
        >>> y[:, 0, 1, 0].tolist(), y[:, 0, 8, 0].tolist()
        ([0.0, 0.0, 0.5], [0.2, 0.0, 0.0])
    """
    check_array(x)
    if x.ndim < 4 or x.shape[-4] != 3:
        raise ValueError(
            f"x: expected axes (..., c=3, t, v, m), got shape {x.shape}; clips in a picture have no "
            "depth to turn in, leave them as they are"
        )
    layout = recognize_layout(layouts.get(layout), num_joints=x.shape[-2])
    check_choice(mode, MODES, name="mode")
    ends = (
        find_joint(spine, layout, _SPINE, name="spine"),
        find_joint(hip, layout, HIP, name="hip"),
        find_joint(right, layout, ("shoulder_right",), name="right"),
        find_joint(left, layout, ("shoulder_left",), name="left"),
    )
    if x.size == 0:
        return np.array(x)
    # (..., t, m, 3): a rotation is worth double precision, and there are few of these.
    top, bottom, far, near = (np.moveaxis(x[..., joint, :], -3, -1).astype(np.float64) for joint in ends)
    up, across = top - bottom, far - near
    present = (x != 0).any(axis=(-4, -2))  # (..., t, m)
    if mode == "official":
        up, across = _first(up, present, 0), _first(across, present, 0)
        turn = _smallest_turn(up, axis=2)
        turn = _smallest_turn((turn @ across[..., None])[..., 0], axis=0) @ turn
    else:
        turn = _upright(up, across, present)
    flat = x.reshape(*x.shape[:-3], prod(x.shape[-3:]))
    turned: NDArray[Any] = np.matmul(turn.astype(x.dtype), flat).reshape(x.shape)
    return turned


def find_joint(chosen: str | int | None, layout: SkeletonLayout, names: Sequence[str], *, name: str) -> int:
    """The index of a joint from its name or number, or of the first of ``names`` that the layout has.

    Raises:
        ValueError: The layout has no such joint.
    """
    if isinstance(chosen, str):
        return layout.index(chosen)
    if chosen is not None:
        if not 0 <= chosen < layout.num_joints:
            raise ValueError(f"{name}: expected a joint in 0..{layout.num_joints - 1}, got {chosen}")
        return chosen
    known = [joint for joint in names if joint in layout.joints]
    if not known:
        raise ValueError(
            f"{name}: layout {layout.name!r} has no joint {' or '.join(map(repr, names))}; pass {name}= as one of "
            f"{', '.join(layout.joints)}, or its number"
        )
    return layout.index(known[0])


def _first(line: NDArray[Any], usable: NDArray[np.bool_], person: NDArray[Any] | int) -> NDArray[Any]:
    """The line ``(..., 3)`` of one person per clip in the first usable frame, from ``(..., t, m, 3)``."""
    chosen = np.broadcast_to(np.asarray(person)[..., None, None], (*usable.shape[:-1], 1))
    frame = np.take_along_axis(usable, chosen, axis=-1).argmax(axis=-2)[..., None, :, None]
    own = np.take_along_axis(line, chosen[..., None], axis=-2)  # (..., t, 1, 3)
    first: NDArray[Any] = np.take_along_axis(own, frame, axis=-3)[..., 0, 0, :]
    return first


def _upright(up: NDArray[Any], across: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[Any]:
    """The rotation ``(..., 3, 3)`` of mode "spine", the identity where no frame will do."""
    height = np.linalg.norm(up, axis=-1, keepdims=True)
    third = up / np.where(height > 0, height, 1)
    side = across - (across * third).sum(axis=-1, keepdims=True) * third
    width = np.linalg.norm(side, axis=-1)
    # Below that, what is left of the shoulders' line is rounding.
    usable = (height[..., 0] > 0) & (width > _SMALL * np.linalg.norm(across, axis=-1))
    person = present.any(axis=-2).argmax(axis=-1)
    third, side, some = (_first(line, usable, person) for line in (third, side, usable[..., None]))
    first = side / np.where(some, np.linalg.norm(side, axis=-1, keepdims=True), 1)
    turn = np.stack((first, np.cross(third, first), third), axis=-2)
    upright: NDArray[Any] = np.where(some[..., None], turn, np.eye(3))
    return upright


def _smallest_turn(line: NDArray[Any], *, axis: int) -> NDArray[Any]:
    """The rotation ``(..., 3, 3)`` by the angle between a line and an axis, about what is normal to both."""
    length = np.linalg.norm(line, axis=-1, keepdims=True)
    unit = line / np.where(length > 0, length, 1)
    normal = np.cross(unit, np.eye(3)[axis])
    sin = np.linalg.norm(normal, axis=-1)
    angle = np.arctan2(sin, unit[..., axis])
    still = (np.abs(line).sum(axis=-1) < _SMALL) | (np.abs(normal * length).sum(axis=-1) < _SMALL) | (angle < _SMALL)
    k = np.where(still[..., None], 0, normal / np.where(sin > 0, sin, 1)[..., None])
    cross = np.cross(k[..., None, :], np.eye(3)).swapaxes(-1, -2)  # cross @ v is the cross product of k and v
    angle = angle[..., None, None]
    turn: NDArray[Any] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turn
