"""Random camera: project a clip to a 2-D view from another direction.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_choice, check_number
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes, map_coordinates, refuse_radians, uncast_bmm
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.clips.person_mask import person_mask

Projection = Literal["orthographic", "perspective", "both", "none"]
NEAR = 0.1
"""The smallest distance of a joint from the camera, as a share of the camera's distance."""


class CameraParams(NamedTuple):
    """Uniform draws in [0, 1) for yaw, pitch and roll ``(n, 3)``, for the distance, and for the projection ``(n,)``."""

    angles: Tensor
    distance: Tensor
    gate: Tensor


def project(x: Tensor, angles: Tensor, *, distance: Tensor | None = None) -> Tensor:
    r"""Project each clip as seen from another direction: rotate it, then drop the depth.

    .. math:: x' = R_z(\text{roll})\, R_x(\text{pitch})\, R_y(\text{yaw})\,(x - o), \qquad
        p = \frac{d}{d + x'_3} \begin{pmatrix} x'_1 \\ x'_2 \end{pmatrix}

    The camera looks at the point :math:`o`, the mean of the first person over the clip, which becomes the origin. In
    the plane through this point, lengths do not change, whatever the distance :math:`d`.

    Args:
        x: Clips ``(n, 3, t, v, m)``, x to the side, y up, z away from the camera.
        angles: Yaw, pitch and roll in radians, ``(n, 3)``.
        distance: Distance of the camera from the point that it looks at, in the unit of the clips, ``(n,)``. Joints
            closer to the camera than a tenth of it are clamped to a tenth. Infinity, the default, is the orthographic
            projection.

    Returns:
        ``(n, 2, t, v, m)``, x to the side and y up, in the unit and dtype of the clips. Absent persons stay zero.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: ``x`` is not ``(n, 3, t, v, m)``, or ``angles`` or ``distance`` have other axes.

    Example:
        >>> arm = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T.reshape(1, 3, 1, 2, 1)  # it points away
        >>> side = project(arm, torch.tensor([[torch.pi / 2, 0.0, 0.0]]))
        >>> length = (side[0, :, 0, 1, 0] - side[0, :, 0, 0, 0]).norm()
        >>> round(float(length), 4)
        1.0
    """
    turned = _turn(x, angles)
    if distance is None:
        return turned[:, :2]
    check_axes(distance, "n", name="distance", n=x.shape[0])
    depth = turned[:, 2:] / rearrange(distance.to(x.dtype), "n -> n 1 1 1 1")
    return turned[:, :2] / (1 + depth).clamp(min=NEAR)


def _turn(x: Tensor, angles: Tensor) -> Tensor:
    """Center the clips on the first person's mean, and rotate them by yaw, then pitch, then roll."""
    check_clips(x, c=3)
    check_axes(angles, "n axis", name="angles", n=x.shape[0], axis=3)
    angles = angles.to(torch.promote_types(angles.dtype, x.dtype))
    zero, one = torch.zeros_like(angles[:, 0]), torch.ones_like(angles[:, 0])
    (cy, cx, cz), (sy, sx, sz) = angles.cos().unbind(dim=1), angles.sin().unbind(dim=1)
    entries = (
        *(cy, zero, sy, zero, one, zero, -sy, zero, cy),
        *(one, zero, zero, zero, cx, -sx, zero, sx, cx),
        *(cz, -sz, zero, sz, cz, zero, zero, zero, one),
    )
    yaw, pitch, roll = rearrange(torch.stack(entries, dim=1), "n (turn i j) -> turn n i j", turn=3, i=3)
    present = person_mask(x)  # (n, m)
    first = present & (present.cumsum(dim=1) == 1)
    mean = x.float().mean(dim=(2, 3)) if x.dtype in (torch.float16, torch.bfloat16) else x.mean(dim=(2, 3))  # (n, c, m)
    middle = torch.where(first[:, None], mean, 0).sum(dim=2).to(x.dtype)
    seen = rearrange(present, "n m -> n 1 1 1 m")
    centered = torch.where(seen, x - rearrange(middle, "n c -> n c 1 1 1"), 0)
    return map_coordinates(centered, uncast_bmm(roll, uncast_bmm(pitch, yaw)))


@explain_arguments
class RandomCamera(RandomTransform[CameraParams]):
    """Project each clip with its own random camera, to train an encoder of 2-D keypoints on 3-D clips.

    The camera looks at the mean of the first person, see :func:`project`.

    Args:
        yaw: Largest angle to either side, in degrees.
        pitch: Largest angle up or down, in degrees.
        roll: Largest tilt to either side, in degrees.
        projection: ``"orthographic"``, ``"perspective"``, or ``"both"`` for a random choice of the two for each clip.
            ``"none"`` only rotates the clip and keeps three coordinates.
        distance: Smallest and largest distance of a perspective camera, in the unit of the clips.

    Shape:
        ``(n, 3, t, v, m)`` to ``(n, 2, t, v, m)``; with ``"none"`` to the same.

    Raises:
        TypeError: an angle or a distance is not a number.
        ValueError: an angle is negative, not finite or a whole number of degrees in radians, an unknown projection, or
            the distances are not ``0 < smallest <= largest``.

    Example:
        >>> filming = RandomCamera(yaw=180.0)
        >>> filming(torch.randn(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 2, 50, 25, 2])
    """

    def __init__(
        self,
        *,
        yaw: float = 70.0,
        pitch: float = 15.0,
        roll: float = 5.0,
        projection: Projection = "both",
        distance: tuple[float, float] = (2.5, 8.0),
    ) -> None:
        super().__init__()
        for name, angle in (("yaw", yaw), ("pitch", pitch), ("roll", roll)):
            check_number(angle, name=name)
            refuse_radians(angle, name=name)
        check_choice(projection, get_args(Projection), name="projection")
        self.yaw = yaw
        self.pitch = pitch
        self.roll = roll
        self.projection: Projection = projection
        self.distance = _check_distance(distance)

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> CameraParams:
        """Draw for clips of this shape."""
        n = clip_sizes(shape)[0]
        return CameraParams(torch.rand(n, 3, **where), torch.rand(n, **where), torch.rand(n, **where))

    def transform(self, x: Tensor, params: CameraParams) -> Tensor:
        """Project the clips with these draws."""
        check_axes(params.angles, "n axis", name="params.angles")
        limits = torch.tensor([self.yaw, self.pitch, self.roll], device=params.angles.device) * (torch.pi / 180)
        angles = (params.angles * 2 - 1) * limits
        if self.projection == "none":
            return _turn(x, angles)
        if self.projection == "orthographic":
            return project(x, angles)
        low, high = self.distance
        distance = low + (high - low) * params.distance
        if self.projection == "both":
            distance = torch.where(params.gate < 0.5, distance, torch.inf)
        return project(x, angles, distance=distance)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"yaw={self.yaw}, pitch={self.pitch}, roll={self.roll}, projection={self.projection!r}, "
            f"distance={self.distance}"
        )


def _check_distance(distance: tuple[float, float]) -> tuple[float, float]:
    expected = "distance: expected two numbers (smallest, largest) with 0 < smallest <= largest"
    if isinstance(distance, str) or not isinstance(distance, Sequence) or len(distance) != 2:
        raise TypeError(f"{expected}, got {distance!r}; for a fixed distance, pass it twice")
    low, high = distance
    for each in (low, high):
        check_number(each, name="distance")
    if not 0 < low <= high:
        raise ValueError(f"{expected}, got {tuple(distance)}; pass them in the unit of the clips")
    return low, high
