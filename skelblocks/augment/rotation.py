"""Rotation: rotate a clip about the coordinate axes, or in its plane.

Axes: n samples, c coordinates (2 or 3), t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_number
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import (
    check_clips,
    check_coordinates,
    clip_sizes,
    map_coordinates,
    refuse_radians,
    uncast_bmm,
)
from skelblocks.augment.base import DrawOptions, RandomTransform


class RotationParams(NamedTuple):
    """Each sample's main axis, ``(n,)`` integers in 0..2, and uniform draws in [0, 1) for its angles, ``(n, 3)``.

    With two coordinates there is one angle, ``(n, 1)``, and the main axis is always 0.
    """

    main_axis: Tensor
    angles: Tensor


def rotation(x: Tensor, angles: Tensor) -> Tensor:
    r"""Rotate about x, then y, then z: ``x' = R_z R_y R_x x``, with the sign convention of the released code.

    .. math::
        R_x = \begin{bmatrix} 1 & 0 & 0 \\ 0 & \cos & \sin \\ 0 & -\sin & \cos \end{bmatrix} \quad
        R_y = \begin{bmatrix} \cos & 0 & -\sin \\ 0 & 1 & 0 \\ \sin & 0 & \cos \end{bmatrix} \quad
        R_z = \begin{bmatrix} \cos & \sin & 0 \\ -\sin & \cos & 0 \\ 0 & 0 & 1 \end{bmatrix}

    Two coordinates are rotated in their plane, like x and y about z.

    Args:
        x: Clips ``(n, c, t, v, m)`` with two or three coordinates.
        angles: Angles in radians: about x, y and z ``(n, 3)``, or one angle ``(n, 1)`` for two coordinates. A positive
            angle rotates clockwise, seen against the axis, or with y upwards.

    Returns:
        The rotated clips, same shape and dtype. Lengths and the origin do not change.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with c 2 or 3, or ``angles`` is not ``(n, 3)`` or, with c 2,
            ``(n, 1)``.
        TypeError: ``x`` is not floating-point.

    Example:
        >>> up = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1, 1)
        >>> rotation(up, torch.tensor([[torch.pi / 2, 0, 0]])).flatten().round().abs().tolist()
        [0.0, 0.0, 1.0]
    """
    check_clips(x)
    c = check_coordinates(x.shape[1])
    check_axes(angles, "n axis", name="angles", n=x.shape[0], axis=3 if c == 3 else 1)
    angles = angles.to(torch.promote_types(angles.dtype, x.dtype))
    if c == 2:
        cos, sin = angles.cos(), angles.sin()
        return map_coordinates(x, rearrange(torch.cat((cos, sin, -sin, cos), dim=1), "n (i j) -> n i j", i=2))
    zero, one = torch.zeros_like(angles[:, 0]), torch.ones_like(angles[:, 0])
    (cx, cy, cz), (sx, sy, sz) = angles.cos().unbind(dim=1), angles.sin().unbind(dim=1)
    entries = (
        *(one, zero, zero, zero, cx, sx, zero, -sx, cx),
        *(cy, zero, -sy, zero, one, zero, sy, zero, cy),
        *(cz, sz, zero, -sz, cz, zero, zero, zero, one),
    )
    about_x, about_y, about_z = rearrange(torch.stack(entries, dim=1), "n (turn i j) -> turn n i j", turn=3, i=3)
    return map_coordinates(x, uncast_bmm(about_z, uncast_bmm(about_y, about_x)))


@explain_arguments
class RandomRotation(RandomTransform[RotationParams]):
    """Rotate each clip by random angles: a large angle about a random axis, and small angles about the other two.

    Clips with two coordinates are rotated in their plane, by up to ``main_angle``.

    MsMCLR's section 3.3 names rotation without numbers. The defaults follow the released code of MsMCLR and AimCLR.
    AS-CAL rotates about a single axis: ``RandomRotation(30.0, minor_angle=0.0)``.

    Args:
        main_angle: Largest angle about the main axis, in degrees.
        minor_angle: Largest angle about the other two axes, in degrees. It is not used for two coordinates.
        two_sided: Draw from ``[-angle, angle)``. By default, as in the released code, angles are in ``[0, angle)``, so
            all clips rotate in the same direction.

    Shape:
        ``(n, c, t, v, m)``, c 2 or 3, to the same.

    Raises:
        TypeError: an angle is not a number.
        ValueError: an angle is negative, not finite, or apparently in radians.

    Example:
        >>> rotating = RandomRotation()
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> turned = rotating(clips, generator=torch.Generator().manual_seed(0))
        >>> torch.allclose(turned.norm(dim=1), clips.norm(dim=1), rtol=1e-4)
        True
    """

    def __init__(self, main_angle: float = 30.0, *, minor_angle: float = 1.0, two_sided: bool = False) -> None:
        super().__init__()
        for name, angle in (("main_angle", main_angle), ("minor_angle", minor_angle)):
            check_number(angle, name=name)
            refuse_radians(angle, name=name)
        self.main_angle = main_angle
        self.minor_angle = minor_angle
        self.two_sided = two_sided

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> RotationParams:
        """Draw for clips of this shape."""
        n, c, *_ = clip_sizes(shape)
        if check_coordinates(c) == 2:
            main_axis = torch.zeros(n, dtype=torch.int64, device=where.get("device"))
            return RotationParams(main_axis, torch.rand(n, 1, **where))
        main_axis = torch.randint(3, (n,), **where)
        return RotationParams(main_axis, torch.rand(n, 3, **where))

    def transform(self, x: Tensor, params: RotationParams) -> Tensor:
        """Rotate the clips with these draws."""
        check_axes(params.angles, "n axis", name="params.angles")
        is_main = params.main_axis[:, None] == torch.arange(params.angles.shape[1], device=params.main_axis.device)
        unit = params.angles * 2 - 1 if self.two_sided else params.angles
        limit = is_main.to(unit.dtype) * (self.main_angle - self.minor_angle) + self.minor_angle
        return rotation(x, unit * limit * (torch.pi / 180))

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"main_angle={self.main_angle}, minor_angle={self.minor_angle}, two_sided={self.two_sided}"
