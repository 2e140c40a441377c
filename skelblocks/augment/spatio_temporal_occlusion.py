"""Spatio-temporal occlusion: hide joints together with their neighbors, and frames.

Axes: n samples, c channels, t frames, v joints, m persons, s spatial draws (one per clip, or one per frame).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any, Literal, NamedTuple, cast, get_args

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_boolean, check_choice
from skelblocks._utils.deprecated import renamed_arguments, renamed_attribute, warn_deprecated
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_ratio, clip_sizes, zero_where
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.layouts import SkeletonLayout, get

Unit = Literal["neighbors", "bone"]
RatioCounts = Literal["joints", "units"]
Temporal = Literal["zero_frames", "gate"]


class SpatioTemporalOcclusionParams(NamedTuple):
    """Uniform draws in [0, 1): ``(n, s, v)`` order the units; the smallest of ``(n, t)`` select the frames."""

    joints: Tensor
    frames: Tensor


@explain_arguments
def occlusion_units(
    layout: str | Mapping[str, Any] | SkeletonLayout, *, unit: Unit = "neighbors"
) -> tuple[tuple[int, ...], ...]:
    """For each joint, the joints that are hidden together with it, including itself.

    Args:
        layout: A name, a dict or a layout.
        unit: ``"neighbors"``: the joint and all joints that share a bone with it. ``"bone"``: the joint and its parent;
            the layout's center, which has no parent, is a unit by itself.

    Returns:
        v units, each in ascending order.

    Raises:
        ValueError: an unknown unit or layout.

    Example:
        >>> occlusion_units("ntu-rgb+d")[5], occlusion_units("ntu-rgb+d", unit="bone")[5]  # the left elbow
        ((4, 5, 6), (4, 5))
    """
    layout = get(layout)
    unit = _spelled(unit)
    check_choice(unit, get_args(Unit), name="unit")
    if unit == "bone":
        return tuple(tuple(sorted({joint, parent})) for joint, parent in enumerate(layout.parents))
    v = range(layout.num_joints)
    return tuple(tuple(o for o in v if o == j or (o, j) in layout.edges or (j, o) in layout.edges) for j in v)


@explain_arguments
@renamed_arguments(rate="ratio", rate_counts="ratio_counts")
def occluded_joints(
    draws: Tensor, units: Sequence[Sequence[int]], *, ratio: float, ratio_counts: RatioCounts = "joints"
) -> Tensor:
    r"""Hide whole units in a random order until the ratio is reached; CrossMoCo's equation 11.

    With ``ratio_counts="units"``, ``round(ratio * v)`` units are hidden. Units overlap, so the number of joints is not
    ``ratio * v``. With ``"joints"``, the number of units is chosen so that their union is as close as possible to
    ``ratio * v`` joints. It differs by at most half of the largest unit.

    Args:
        draws: Uniform draws, one per unit, ``(..., v)``. The unit with the smallest draw is hidden first.
        units: v sets of joints, see :func:`occlusion_units`.
        ratio: r, in [0, 1].
        ratio_counts: ``"joints"`` or ``"units"``.

    Returns:
        True for a hidden joint, ``(..., v)``, boolean.

    Raises:
        ValueError: ``draws`` is not ``(..., v)``, units that do not cover all joints, a ratio out of range, or an
            unknown ``ratio_counts``.

    Example:
        >>> chain = ((0, 1), (0, 1, 2), (1, 2, 3), (2, 3))
        >>> draws = torch.tensor([0.1, 0.8, 0.9, 0.3])
        >>> occluded_joints(draws, chain, ratio=0.5), occluded_joints(draws, chain, ratio=0.5, ratio_counts="units")
        (tensor([ True,  True, False, False]), tensor([True, True, True, True]))
    """
    v = len(units)
    check_axes(draws, "... v", name="draws", v=v)
    check_ratio(ratio, "[0, 1]", name="ratio")
    check_choice(ratio_counts, get_args(RatioCounts), name="ratio_counts")
    if {joint for unit in units for joint in unit} != set(range(v)):
        raise ValueError(
            f"units: expected {v} sets whose union is the joints 0 to {v - 1}, got {units}; use occlusion_units(layout)"
        )
    return _hide(draws, units, ratio=ratio, ratio_counts=ratio_counts)


def occlude(x: Tensor, mask: Tensor) -> Tensor:
    """Set joints to zero where ``mask`` is True, in all channels and for all persons; CrossMoCo's equation 12.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        mask: True for a hidden joint, ``(n, t, v)``, boolean.

    Returns:
        The occluded clips, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point, or ``mask`` is not boolean.
        ValueError: ``x`` is not ``(n, c, t, v, m)``, or ``mask`` is not ``(n, t, v)``.

    Example:
        >>> mask = torch.zeros(1, 4, 25, dtype=torch.bool)
        >>> mask[0, 2, :5] = True
        >>> int(occlude(torch.ones(1, 3, 4, 25, 2), mask).eq(0).sum())  # 3 channels, 5 joints, 2 persons
        30
    """
    check_clips(x)
    n, _, t, v, _ = x.shape
    check_axes(mask, "n t v", name="mask", n=n, t=t, v=v)
    check_boolean(mask, name="mask")
    return zero_where(x, rearrange(mask, "n t v -> n 1 t v 1"))


@explain_arguments
class SpatioTemporalOcclusion(RandomTransform[SpatioTemporalOcclusionParams]):
    """Hide random units of neighboring joints, and random frames; CrossMoCo's section III-D, equations 11 to 14.

    In the paper this replaces shear and crop, and is applied to each stream: joints, bones or motion. There is no
    released code, and the paper does not settle the points that are options here. The best rates in table I are 0.6 and
    0.6, which contradicts the text. A joint with many neighbors is hidden more often than the end of a limb.

    Args:
        layout: A name, a dict or a layout.
        joint_ratio: r, the ratio of joints; 0.6 in section IV. 0 hides only frames.
        frame_ratio: beta, the ratio of frames, ``round(beta * t)``; 0.5 in section IV. 0 hides only joints. With
            ``temporal="gate"``, 0 hides nothing, and 1 hides the same joints in all frames.
        ratio_counts: What r counts, see :func:`occluded_joints`. ``"joints"`` counts hidden joints, as the term "mask
            rate" suggests. ``"units"`` follows equation 11 literally, where 0.6 hides 23 of the 25 joints of NTU RGB+D
            on average.
        unit: The joints that are hidden together, see :func:`occlusion_units`. ``"neighbors"`` follows "its adjacent
            joints in the mask unit will also be occluded", ``"bone"`` follows "that can form a skeleton bone".
        per_frame: Draw other joints in each frame, as in figure 4. By default, draw once per clip, as in equation 11.
        temporal: With ``"zero_frames"``, all joints are zero in the chosen frames, in addition to the spatial mask, as
            in equation 14. With ``"gate"``, joints are hidden only in the chosen frames, as in figure 4.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: a ratio is not a number.
        ValueError: a ratio outside [0, 1], an unknown option or layout, or clips whose joints differ from the layout.

    Example:
        >>> occlusion = SpatioTemporalOcclusion("ntu-rgb+d", frame_ratio=0.0)
        >>> y = occlusion(torch.ones(4, 3, 50, 25, 1), generator=torch.Generator().manual_seed(0))
        >>> hidden = y[:, 0, 0, :, 0].eq(0).sum(dim=1)
        >>> bool(((hidden - 15).abs() <= 2).all())  # 0.6 of 25; the largest unit has 5
        True
    """

    spatial_rate = renamed_attribute("spatial_rate", "joint_ratio")
    temporal_rate = renamed_attribute("temporal_rate", "frame_ratio")
    rate_counts = renamed_attribute("rate_counts", "ratio_counts")

    @renamed_arguments(spatial_rate="joint_ratio", temporal_rate="frame_ratio", rate_counts="ratio_counts")
    def __init__(
        self,
        layout: str | Mapping[str, Any] | SkeletonLayout,
        *,
        joint_ratio: float = 0.6,
        frame_ratio: float = 0.5,
        ratio_counts: RatioCounts = "joints",
        unit: Unit = "neighbors",
        per_frame: bool = False,
        temporal: Temporal = "zero_frames",
    ) -> None:
        super().__init__()
        check_ratio(joint_ratio, "[0, 1]", name="joint_ratio")
        check_ratio(frame_ratio, "[0, 1]", name="frame_ratio")
        check_choice(ratio_counts, get_args(RatioCounts), name="ratio_counts")
        check_choice(temporal, get_args(Temporal), name="temporal")
        unit = _spelled(unit)
        self.layout = get(layout)
        self.units = occlusion_units(self.layout, unit=unit)
        self.joint_ratio = joint_ratio
        self.frame_ratio = frame_ratio
        self.ratio_counts = ratio_counts
        self.unit = unit
        self.per_frame = per_frame
        self.temporal = temporal

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> SpatioTemporalOcclusionParams:
        """Draw for clips of this shape."""
        n, _, t, v, _ = clip_sizes(shape)
        joints = torch.rand(n, t if self.per_frame else 1, v, **where)
        return SpatioTemporalOcclusionParams(joints, torch.rand(n, t, **where))

    def transform(self, x: Tensor, params: SpatioTemporalOcclusionParams) -> Tensor:
        """Occlude the clips with these draws."""
        check_clips(x, v=self.layout.num_joints)
        n, _, t, v, _ = x.shape
        check_axes(params.joints, "n s v", name="params.joints", n=n, s=t if self.per_frame else 1, v=v)
        check_axes(params.frames, "n t", name="params.frames", n=n, t=t)
        joints = _hide(params.joints, self.units, ratio=self.joint_ratio, ratio_counts=self.ratio_counts)
        place = params.frames.argsort(dim=1, stable=True).argsort(dim=1)
        frames = (place < round(self.frame_ratio * t))[:, :, None]
        return occlude(x, joints & frames if self.temporal == "gate" else joints | frames)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"{self.layout.name!r}, joint_ratio={self.joint_ratio}, frame_ratio={self.frame_ratio}, "
            f"ratio_counts={self.ratio_counts!r}, unit={self.unit!r}, per_frame={self.per_frame}, "
            f"temporal={self.temporal!r}"
        )


def _spelled(unit: str) -> Unit:
    """The unit. The deprecated spelling is accepted with a warning."""
    if unit == "neighbours":
        warn_deprecated("unit: 'neighbours' is deprecated; use 'neighbors'", skip=2)
        return "neighbors"
    return cast(Unit, unit)


def _hide(draws: Tensor, units: Sequence[Sequence[int]], *, ratio: float, ratio_counts: RatioCounts) -> Tensor:
    """Compute :func:`occluded_joints` without its checks."""
    v = len(units)
    covers = torch.tensor([[joint in unit for unit in units] for joint in range(v)], device=draws.device)
    place = draws.argsort(dim=-1, stable=True).argsort(dim=-1)
    hidden_at = torch.where(covers, place[..., None, :], v).amin(dim=-1)
    target = round(ratio * v, 9)  # in floating point, 0.28 * 25 is slightly more than 7, which would break ties upwards
    if ratio_counts == "units":
        return hidden_at < round(target)
    # The number of joints that are hidden when this unit is hidden.
    hidden = (hidden_at[..., None, :] <= hidden_at[..., None]).sum(dim=-1)
    below = torch.where(hidden <= floor(target), hidden, 0).amax(dim=-1, keepdim=True)
    above = torch.where(hidden >= ceil(target), hidden, v).amin(dim=-1, keepdim=True)
    return hidden <= torch.where(below + above >= ceil(2 * target), below, above)
