"""Bone lengths of another person (ActCLR): the same motion by a body with other proportions.

Axes: n samples, c coordinates (2 or 3), t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from einops import einsum, rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_coordinates, check_index, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.clips.person_mask import person_mask
from skelblocks.layouts import SkeletonLayout, get

_EPS = 1e-5  # added under the square roots as in the released code, so that bones of length 0 keep a direction


class BoneLengthsParams(NamedTuple):
    """``partner`` ``(n,)``: the index in the batch of the clip whose bone lengths a sample takes."""

    partner: Tensor


@explain_arguments
def bone_lengths(
    x: Tensor,
    partner: Tensor,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    on_absent_persons: bool = False,
) -> Tensor:
    r"""Keep the directions of a clip's bones, and take their lengths frame by frame from another clip.

    .. math:: b'_v = b_v \sqrt{\frac{\lVert b^p_v \rVert^2 + \epsilon}{\lVert b_v \rVert^2 + \epsilon}}, \qquad
        x'_v = x'_{\text{parent}(v)} + b'_v, \qquad \epsilon = 10^{-5}

    The center joint stays in place, and the limbs are rebuilt from there. ActCLR's released code calls this the style
    of the skeleton. It has separate formulas for bones and motion; here, compute these streams from the result.

    Args:
        x: Clips ``(n, c, t, v, m)`` with two or three coordinates.
        partner: For each clip, the index of the clip that provides the lengths, ``(n,)``, int64.
        layout: A name, a dict or a layout of v joints.
        on_absent_persons: What happens to a person who is absent in the partner. By default the person is not changed.
            With True the person shrinks to a point, as in the released code.

    Returns:
        The clips, same shape and dtype. An absent person stays zero.

    Raises:
        TypeError: ``x`` is not floating-point, or ``partner`` is not int64.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with c 2 or 3 and the layout's v, or ``partner`` is not ``(n,)``.
        IndexError: ``partner`` names a clip that is not in the batch (on CUDA a device assertion).

    Example:
        >>> x = torch.randn(2, 3, 8, 25, 1)
        >>> tall = bone_lengths(torch.cat([x, 2 * x]), torch.tensor([2, 3, 0, 1]), layout="ntu-rgb+d")
        >>> center = x[:, :, :, 20:21]
        >>> torch.allclose(tall[:2] - center, 2 * (x - center), atol=1e-3)
        True
    """
    layout = get(layout)
    check_clips(x, v=layout.num_joints)
    check_coordinates(x.shape[1])
    check_axes(partner, "n", name="partner", n=x.shape[0])
    check_index(partner, name="partner")
    with autocast_off(x):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # squares can exceed the range of half precision
        parents = torch.tensor(layout.parents, device=x.device)
        bones = wide - wide.index_select(3, parents)
        squares = bones.square().sum(dim=1, keepdim=True) + _EPS
        bones = bones * (squares.index_select(0, partner) / squares).sqrt()
        chain = torch.tensor(_chains(layout), dtype=wide.dtype, device=x.device)
        limbs = einsum(bones, chain, "n c t u m, v u -> n c t v m")
        y = (wide[:, :, :, layout.center, None] + limbs).to(x.dtype)
    if not on_absent_persons:
        present = person_mask(x)
        y = torch.where(rearrange(present & present[partner], "n m -> n 1 1 1 m"), y, x)
    return y


def _chains(layout: SkeletonLayout) -> list[list[float]]:
    """For each joint, 1 for every joint whose bone is on the path to the center."""
    rows = []
    for joint in range(layout.num_joints):
        row = [0.0] * layout.num_joints
        while joint != layout.center:
            row[joint] = 1.0
            joint = layout.parents[joint]
        rows.append(row)
    return rows


@explain_arguments
class RandomBoneLengths(RandomTransform[BoneLengthsParams]):
    """Give each clip the bone lengths of another clip of the batch; see :func:`bone_lengths`.

    The partner of clip ``i`` is ``(i + s) mod n`` with one shift ``s`` from 1 to n - 1 for the batch, as in
    :class:`RandomRegionSwap`. The released code draws ``s`` from 1 to n - 2.

    Args:
        layout: A name, a dict or a layout.
        on_absent_persons: Whether a person who is absent in the partner shrinks to a point, as in the released code. By
            default the person is not changed.

    Shape:
        ``(n, c, t, v, m)``, n at least 2, c 2 or 3, to the same.

    Raises:
        ValueError: an unknown layout.

    Example:
        >>> clips = torch.randn(4, 3, 50, 25, 2)
        >>> RandomBoneLengths("ntu-rgb+d")(clips, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 50, 25, 2])
    """

    def __init__(self, layout: str | Mapping[str, Any] | SkeletonLayout, *, on_absent_persons: bool = False) -> None:
        super().__init__()
        self.layout = get(layout)
        self.on_absent_persons = on_absent_persons

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> BoneLengthsParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        if n < 2:
            raise ValueError(f"shape: expected n >= 2 clips, to pair each with another, got n={n}; use a larger batch")
        shift = torch.randint(1, n, (1,), **where)
        return BoneLengthsParams((torch.arange(n, device=where.get("device")) + shift) % n)

    def transform(self, x: Tensor, params: BoneLengthsParams) -> Tensor:
        """Change the bone lengths with these draws."""
        return bone_lengths(x, params.partner, layout=self.layout, on_absent_persons=self.on_absent_persons)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"{self.layout.name!r}, on_absent_persons={self.on_absent_persons}"
