"""Spatio-temporal occlusion: hide joints together with their neighbors, and frames.

Axes: n samples, c channels, t frames, v joints, m persons, s spatial draws (one a clip, or one a frame).
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
    """Unit draws in [0, 1): ``(n, s, v)``, the order of the units, and ``(n, t)``, of which the smallest are chosen."""

    joints: Tensor
    frames: Tensor


@explain_arguments
def occlusion_units(
    layout: str | Mapping[str, Any] | SkeletonLayout, *, unit: Unit = "neighbors"
) -> tuple[tuple[int, ...], ...]:
    """For each joint, the joints that are hidden with it, itself among them.

    Args:
        layout: A name, a dict or a layout.
        unit: ``"neighbors"``: the joint and all that share a bone with it. ``"bone"``: the joint and its parent; the
            layout's center, which has none, is a unit alone.

    Returns:
        v units, ascending.

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
    r"""Hide whole units in a random order, until the ratio is met; CrossMoCo's equation 11.

    Units overlap, so that ``r * v`` of them hide more than ``r * v`` joints. With ``ratio_counts="units"``,
    ``round(ratio * v)`` units are hidden. With ``"joints"`` it is the first units whose union comes nearest to
    ``ratio * v`` joints, the fewer where two come as near: at most half of the largest unit away.

    Args:
        draws: Unit draws, one a unit, ``(..., v)``; the unit of the smallest is hidden first.
        units: v sets of joints, see :func:`occlusion_units`.
        ratio: r, in [0, 1].
        ratio_counts: ``"joints"`` or ``"units"``.

    Returns:
        True for a hidden joint, ``(..., v)``, boolean.

    Raises:
        ValueError: ``draws`` is not ``(..., v)``, units that leave a joint out, a ratio out of range, or an unknown
            count.

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
        raise ValueError(f"units: expected {v} sets whose union is the joints 0 to {v - 1}, got {units}")
    return _hide(draws, units, ratio=ratio, ratio_counts=ratio_counts)


def occlude(x: Tensor, mask: Tensor) -> Tensor:
    """Set joints to zero where ``mask``, in all channels and for all persons; CrossMoCo's equation 12.

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

    In the paper this replaces shear and crop, and works on each stream: joints, bones or motion. There is no released
    code, and the paper leaves open what is an option here. Table I's best rates are 0.6 and 0.6, against the text. A
    joint with many neighbors is hidden more often than one at an end.

    Args:
        layout: A name, a dict or a layout.
        joint_ratio: r, the ratio of the joints; 0.6 in section IV. 0 hides frames alone.
        frame_ratio: beta, the ratio of the frames, ``round(beta * t)``; 0.5 in section IV. 0 hides joints alone, but
            with ``"gate"`` nothing: there it is 1 that leaves the spatial mask as it is.
        ratio_counts: What r counts, see :func:`occluded_joints`: hidden ``"joints"``, as the words "mask rate" say, or
            ``"units"``, equation 11 to the letter, whose r of 0.6 hides 23 of the 25 joints of NTU RGB+D on average.
        unit: What is hidden with a joint, see :func:`occlusion_units`: its ``"neighbors"``, as in "its adjacent joints
            in the mask unit will also be occluded", or one, "that can form a skeleton bone".
        per_frame: Draw other joints in each frame, as in figure 4. Default: once a clip, as in equation 11.
        temporal: ``"zero_frames"``: the chosen frames are zero in all joints, on top of the spatial mask, as in
            equation 14. ``"gate"``: joints are hidden in the chosen frames only, so that some frames are whole, as in
            figure 4.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: a ratio is not a number.
        ValueError: a ratio outside [0, 1], an unknown option or layout, or clips with other joints than the layout's.

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
        """Occlude by these draws."""
        check_clips(x, v=self.layout.num_joints)
        n, _, t, v, _ = x.shape
        check_axes(params.joints, "n s v", name="params.joints", n=n, s=t if self.per_frame else 1, v=v)
        check_axes(params.frames, "n t", name="params.frames", n=n, t=t)
        joints = _hide(params.joints, self.units, ratio=self.joint_ratio, ratio_counts=self.ratio_counts)
        place = params.frames.argsort(dim=1, stable=True).argsort(dim=1)
        frames = (place < round(self.frame_ratio * t))[:, :, None]
        return occlude(x, joints & frames if self.temporal == "gate" else joints | frames)

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return (
            f"{self.layout.name!r}, joint_ratio={self.joint_ratio}, frame_ratio={self.frame_ratio}, "
            f"ratio_counts={self.ratio_counts!r}, unit={self.unit!r}, per_frame={self.per_frame}, "
            f"temporal={self.temporal!r}"
        )


def _spelled(unit: str) -> Unit:
    """The unit, also from its deprecated spelling."""
    if unit == "neighbours":
        warn_deprecated("unit: 'neighbours' is deprecated; use 'neighbors'", skip=2)
        return "neighbors"
    return cast(Unit, unit)


def _hide(draws: Tensor, units: Sequence[Sequence[int]], *, ratio: float, ratio_counts: RatioCounts) -> Tensor:
    """:func:`occluded_joints` of checked arguments."""
    v = len(units)
    covers = torch.tensor([[joint in unit for unit in units] for joint in range(v)], device=draws.device)
    place = draws.argsort(dim=-1, stable=True).argsort(dim=-1)
    hidden_at = torch.where(covers, place[..., None, :], v).amin(dim=-1)
    target = round(ratio * v, 9)  # 0.28 * 25 is a little more than 7, which would break ties upwards
    if ratio_counts == "units":
        return hidden_at < round(target)
    # How many joints are hidden as soon as this one is.
    hidden = (hidden_at[..., None, :] <= hidden_at[..., None]).sum(dim=-1)
    below = torch.where(hidden <= floor(target), hidden, 0).amax(dim=-1, keepdim=True)
    above = torch.where(hidden >= ceil(target), hidden, v).amin(dim=-1, keepdim=True)
    return hidden <= torch.where(below + above >= ceil(2 * target), below, above)
