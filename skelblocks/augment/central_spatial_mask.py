"""Central spatial mask: remove joints, preferably joints with many bones.

Axes: n samples, c channels, t frames, v joints, m persons, w kept joints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_filled, check_integer
from skelblocks._utils.deprecated import renamed_arguments, renamed_attribute
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_ratio, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.layouts import SkeletonLayout, get


class CentralSpatialMaskParams(NamedTuple):
    """Uniform draws in [0, 1): ``(n, v)``, or with ``same_on_batch`` ``(n, sum of degrees)`` with equal rows."""

    draws: Tensor


def joint_degrees(layout: str | Mapping[str, Any] | SkeletonLayout) -> tuple[int, ...]:
    """The number of bones of each joint of a layout: PSTL's degree centrality, without self-links.

    Example:
        >>> joint_degrees("ntu-rgb+d")  # the released code's list
        (3, 2, 2, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 1, 4, 1, 2, 1, 2)
    """
    layout = get(layout)
    bones = {frozenset(edge) for edge in layout.edges}
    return tuple(sum(joint in bone for bone in bones) for joint in range(layout.num_joints))


@explain_arguments
def central_spatial_mask(draws: Tensor, degrees: Sequence[int], *, hidden: int) -> Tensor:
    r"""Draw joints one after another, without replacement, with probability proportional to their degree.

    The joints with the smallest :math:`-\ln(1 - u_v) / \text{degree}_v` are hidden. These are exponential random
    variables with the degrees as rates, and their order has exactly this distribution.

    Args:
        draws: Uniform draws in [0, 1), ``(..., v)``.
        degrees: v numbers > 0, see :func:`joint_degrees`.
        hidden: Number of joints to remove, 0 to v - 1.

    Returns:
        The remaining joints in ascending order, ``(..., v - hidden)`` int64.

    Raises:
        ValueError: ``draws`` is not ``(..., v)``, or ``hidden`` is out of range.

    Example:
        >>> central_spatial_mask(torch.tensor([0.5, 0.5, 0.5, 0.1]), [1, 1, 2, 1], hidden=2)  # hides 3, then 2
        tensor([0, 1])
    """
    v = len(degrees)
    check_axes(draws, "... v", name="draws", v=v)
    _check_hidden(hidden, v)
    # Use 1 - u, because u may be 0 but never 1.
    rings = -torch.log1p(-draws) / torch.tensor(degrees, dtype=draws.dtype, device=draws.device)
    return rings.topk(v - hidden, dim=-1).indices.sort(dim=-1).values


@explain_arguments
def central_spatial_mask_multiset(draws: Tensor, degrees: Sequence[int], *, hidden: int) -> Tensor:
    """Draw from a list that contains each joint once per bone, as in PSTL's released code.

    A joint can be drawn twice, so fewer than ``hidden`` different joints may be removed.

    Args:
        draws: Uniform draws in [0, 1), one per entry of the list, ``(sum of degrees,)``. The smallest are selected.
        degrees: v numbers, see :func:`joint_degrees`.
        hidden: Number of entries to draw, 0 to v - 1.

    Returns:
        The remaining joints in ascending order, ``(w,)`` int64. Their number depends on the draws, so the call waits
        for the device.

    Raises:
        ValueError: ``draws`` is not ``(sum of degrees,)``, or ``hidden`` is out of range.

    Example:
        >>> central_spatial_mask_multiset(torch.tensor([0.5, 0.6, 0.1, 0.2]), [1, 1, 2], hidden=2)  # joint 2, twice
        tensor([0, 1])
    """
    check_axes(draws, "entries", name="draws", entries=sum(degrees))
    _check_hidden(hidden, len(degrees))
    entries = torch.tensor([joint for joint, degree in enumerate(degrees) for _ in range(degree)], device=draws.device)
    kept = torch.ones(len(degrees), dtype=torch.bool, device=draws.device)
    return kept.index_fill(0, entries[draws.argsort()[:hidden]], False).nonzero().flatten()


@explain_arguments
class CentralSpatialMask(RandomTransform[CentralSpatialMaskParams]):
    """Choose the joints of each clip to keep, for ``STGCN.forward(x, keep_joints=...)``; PSTL's spatial mask.

    PSTL does not set joints to zero: the encoder works on the remaining skeleton. The probability of hiding a joint is
    proportional to its number of bones, because a joint with many neighbors says much about the others.

    By default, each clip loses the same number of different joints, drawn independently. The released code draws with
    repetitions, once for the whole batch: ``same_on_batch=True``. Its 8 draws on NTU RGB+D hide 7.3 different joints on
    average.

    Args:
        layout: A name, a dict or a layout.
        ratio: Ratio of joints to hide: ``round(ratio * v)`` joints, or draws with ``same_on_batch``. 8 of 25 in PSTL's
            released code.
        same_on_batch: Draw with repetitions, once for the batch, as the released code does. The result is ``(w,)`` for
            all samples, with ``w >= v - round(ratio * v)``, and the call waits for the device.

    Shape:
        ``(n, c, t, v, m)``, of which only the shape and the device matter, to ascending joints
        ``(n, v - round(ratio * v))`` int64, or ``(w,)`` with ``same_on_batch``.

    Raises:
        TypeError: ``ratio`` is not a number.
        ValueError: a ratio that leaves no joint, clips whose joints differ from the layout, or an empty batch with
            ``same_on_batch``.

    Example:
        >>> masking = CentralSpatialMask("ntu-rgb+d")
        >>> masking(torch.randn(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 17])
    """

    hidden = renamed_attribute("hidden", "ratio")
    multiset = renamed_attribute("multiset", "same_on_batch")

    @renamed_arguments(hidden="ratio", multiset="same_on_batch")
    def __init__(
        self, layout: str | Mapping[str, Any] | SkeletonLayout, *, ratio: float = 8 / 25, same_on_batch: bool = False
    ) -> None:
        super().__init__()
        self.layout = get(layout)
        v = self.layout.num_joints
        check_ratio(ratio, "[0, 1)", name="ratio")
        if round(ratio * v) == v:
            raise ValueError(
                f"ratio: expected one that leaves a joint, got {ratio}, which hides all {v} of {self.layout.name!r}; "
                f"take at most {(v - 1) / v:g}"
            )
        self.ratio = ratio
        self.same_on_batch = same_on_batch
        self.degrees = joint_degrees(self.layout)

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> CentralSpatialMaskParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        size = (1, sum(self.degrees)) if self.same_on_batch else (n, self.layout.num_joints)
        return CentralSpatialMaskParams(torch.rand(size, **where).expand(n, -1))

    def transform(self, x: Tensor, params: CentralSpatialMaskParams) -> Tensor:
        """The joints that remain with these draws."""
        v = self.layout.num_joints
        check_clips(x, v=v)
        check_axes(params.draws, "n u", name="params.draws", n=x.shape[0])
        hidden = round(self.ratio * v)
        if self.same_on_batch:
            check_filled(params.draws, "n u", name="params.draws", filled="n")
            return central_spatial_mask_multiset(params.draws[0], self.degrees, hidden=hidden)
        return central_spatial_mask(params.draws, self.degrees, hidden=hidden)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"{self.layout.name!r}, ratio={self.ratio}, same_on_batch={self.same_on_batch}"


def _check_hidden(hidden: int, v: int) -> None:
    check_integer(hidden, name="hidden", least=0)
    if hidden >= v:
        raise ValueError(f"hidden: expected 0 to {v - 1} of {v} joints, got {hidden}; at least one joint must remain")
