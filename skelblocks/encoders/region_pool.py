"""Pool a feature map to two features per clip: the means inside and outside a region of frames and joints.

Axes: n samples, m persons, c channels, t frames of the map, v joints.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes, check_boolean, check_floating, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_no_clips
from skelblocks.encoders.pool import pool
from skelblocks.encoders.present_persons import Absent, check_absent, present_in_map


class RegionPooled(NamedTuple):
    """Mean features inside and outside the region, each ``(n, c)``."""

    inside: Tensor
    outside: Tensor


@explain_arguments
def region_pool(
    feature_map: Tensor, mask: Tensor, *, person_mask: Tensor | None = None, absent: Absent = "compute"
) -> RegionPooled:
    r"""Average over the positions inside and outside a region, then over persons.

    .. math:: p = \frac{\sum_{tv} M_{tv}\, f_{tv}}{\sum_{tv} M_{tv}}, \qquad
        c = \frac{\sum_{tv} (1 - M_{tv})\, f_{tv}}{\sum_{tv} (1 - M_{tv})}

    This is SkeleMixCLR's spatio-temporal mask pooling, as in its released code. In a clip with a pasted region of
    another clip, :math:`p` is the feature of the pasted region and :math:`c` the feature of the rest. Each sum is
    divided by the number of its own positions.

    Args:
        feature_map: ``(n, m, c, t, v)``, from an encoder.
        mask: Boolean, true inside the region: ``(t, v)``, one for the batch as in the released code, or
            ``(n, t, v)``, one per clip. It has the frames of the map; :func:`region_to_frames` reduces the mask of a
            clip to them.
        person_mask: Boolean ``(n, m)``, true where a person is present, as in :func:`~skelblocks.encoders.pool`. By
            default the mean is over all m, as in the released code.
        absent: With ``"skip"``, persons whose map is all zero do not contribute, as in
            :func:`~skelblocks.encoders.pool`.

    Returns:
        Two features ``(n, c)``, in the map's dtype. A side without positions is zero and gets no gradient: the inside
        of an empty region, or the outside of a region that covers everything.

    Raises:
        ValueError: other axes, or a mask whose frames or joints differ from the map's.
        TypeError: a mask that is not boolean, or a map that is not floating-point.

    Example:
        >>> feature_map = torch.arange(8.0).view(1, 1, 1, 2, 4)
        >>> first_frame = torch.tensor([[True], [False]]).expand(2, 4)
        >>> inside, outside = region_pool(feature_map, first_frame)
        >>> inside.item(), outside.item()
        (1.5, 5.5)
    """
    check_axes(feature_map, "n m c t v", name="feature_map")
    check_floating(feature_map, name="feature_map")
    check_no_clips(feature_map, name="feature_map", instead="the persons one by one")
    check_absent(absent)
    if absent == "skip" and person_mask is None:
        person_mask = present_in_map(feature_map)
    n, m, c, t, v = feature_map.shape
    _check_region(mask, n=n, t=t, v=v)
    sides = rearrange(torch.stack((mask, ~mask), dim=-1), "... t v side -> ... (t v) side")
    exact = torch.promote_types(feature_map.dtype, torch.float32)
    weights = (sides.to(exact) / sides.sum(dim=-2, keepdim=True).clamp(min=1)).to(feature_map.dtype)
    with autocast_off(feature_map):  # autocast would round the map to half precision
        per_person = rearrange(feature_map, "n m c t v -> n (m c) (t v)") @ weights
    both = pool(rearrange(per_person, "n (m c) side -> n m (c side) 1 1", m=m, c=c), person_mask)
    return RegionPooled(*rearrange(both, "n (c side) -> side n c", side=2))


@explain_arguments
def region_to_frames(mask: Tensor, *, frames: int, stride: int | None = None) -> Tensor:
    """Reduce the mask of a clip to the frames of its feature map.

    Frame i of the map takes the clip's frame ``i * stride``, on which its convolutions are centered. For
    :class:`~skelblocks.encoders.STGCN` this is every fourth frame: 64 frames become 16, and 50 become 13. Nothing is
    lost if the region consists of whole blocks of ``stride`` frames.

    The map of an encoder with a stride has ``ceil(t / stride)`` frames. For a long clip this determines the stride. For
    a short clip several strides may fit: 9 frames become 3 with a stride of 3 and of 4.

    SkeleMixCLR's released code makes its mask with ``t // 4`` rows, and fails if t is not a multiple of 4, because the
    map has ``ceil(t / 4)`` frames.

    Args:
        mask: Boolean, ``(t, v)`` or ``(n, t, v)``, for all frames of the clip.
        frames: Frames of the map, ``feature_map.shape[3]``.
        stride: Frames of the clip per frame of the map; 4 for ``STGCN`` and for ``DSTA`` with its default layers. By
            default it is inferred from the two numbers of frames.

    Returns:
        Boolean, ``(frames, v)`` or ``(n, frames, v)``.

    Raises:
        ValueError: other axes, ``ceil(t / stride)`` is not ``frames``, or, without ``stride``, no stride fits, or
            several strides that select different frames.
        TypeError: a mask that is not boolean, or a stride that is not an integer.

    Example:
        >>> mask = torch.zeros(50, 25, dtype=torch.bool)
        >>> mask[8:16, :4] = True
        >>> region_to_frames(mask, frames=13).any(dim=1).nonzero().flatten()
        tensor([2, 3])
    """
    check_axes(mask, _region_axes(mask), name="mask")
    check_boolean(mask, name="mask")
    t = mask.shape[-2]
    if stride is not None:
        check_integer(stride, name="stride")
    fitting = -(-t // frames) if frames > 0 else 0
    by = fitting if stride is None else stride
    if fitting == 0 or -(-t // by) != frames:
        law = "ceil(t / stride) for a whole stride" if stride is None else f"ceil(t / stride) for stride={stride}"
        raise ValueError(
            f"frames: expected the frames of the map of a clip of t={t} frames, {law}, got {frames}; pass "
            "feature_map.shape[3], and a mask of all frames of the clip"
        )
    if stride is None and frames > 1 and -(-t // (fitting + 1)) == frames:
        raise ValueError(
            f"stride: expected a number, because several strides from {fitting} on reduce t={t} frames to {frames}, "
            "got None; pass the encoder's stride, 4 for STGCN"
        )
    return mask[..., ::by, :]


@explain_arguments
class RegionPool(nn.Module):
    """Module form of :func:`region_pool`.

    Args:
        absent: ``"skip"`` after an encoder that skips absent persons.

    Shape:
        ``feature_map`` ``(n, m, c, t, v)``, ``mask`` ``(t, v)`` or ``(n, t, v)`` and, optionally, ``person_mask``
        ``(n, m)`` to two features ``(n, c)``.

    Example:
        >>> RegionPool()(torch.ones(2, 1, 8, 13, 25), torch.rand(13, 25) < 0.5).inside.shape
        torch.Size([2, 8])
    """

    def __init__(self, *, absent: Absent = "compute") -> None:
        super().__init__()
        check_absent(absent)
        self.absent: Absent = absent

    def forward(self, feature_map: Tensor, mask: Tensor, *, person_mask: Tensor | None = None) -> RegionPooled:
        """Features ``(n, c)`` inside and outside."""
        return region_pool(feature_map, mask, person_mask=person_mask, absent=self.absent)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return "absent='skip'" if self.absent == "skip" else ""


def _region_axes(mask: Tensor) -> str:
    return "n t v" if isinstance(mask, Tensor) and mask.ndim == 3 else "t v"


def _check_region(mask: Tensor, *, n: int, t: int, v: int) -> None:
    axes = _region_axes(mask)
    check_axes(mask, axes, name="mask", **({"n": n, "v": v} if axes == "n t v" else {"v": v}))
    check_boolean(mask, name="mask")
    if mask.shape[-2] != t:
        raise ValueError(
            f"mask: expected the t={t} frames of the feature map, got {mask.shape[-2]} in shape {tuple(mask.shape)}; "
            f"make the mask for all frames of the clip and reduce it with region_to_frames(mask, frames={t})"
        )
