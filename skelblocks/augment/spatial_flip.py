"""Spatial flip: swap a person's left and right.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_boolean, check_choice, check_integer, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.layouts import SkeletonLayout, get


class SpatialFlipParams(NamedTuple):
    """One uniform draw in [0, 1) per sample, ``(n,)``: flipped if it is below ``p``."""

    gate: Tensor


@explain_arguments
def spatial_flip(
    x: Tensor,
    flipped: Tensor | None = None,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    mirror_axis: int | None = None,
) -> Tensor:
    """Swap left and right joints: ``x'[v] = x[swap(v)]``.

    By default, as in the released code of AimCLR and MsMCLR, this only relabels joints and moves none: the left arm is
    called the right arm but stays in place. With ``mirror_axis`` this coordinate is negated too, which gives a true
    mirror image.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        flipped: True for clips to flip, ``(n,)``, boolean. Default: all.
        layout: A name, a dict or a layout of v joints, which says which joints to swap.
        mirror_axis: The coordinate from left to right: 0, 1 or 2. The mirror is at its zero. For NTU RGB+D it is 0,
            after centering the clip and aligning the shoulders with this axis. None is the released code.

    Returns:
        The clips, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point, or ``flipped`` is not boolean.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with the layout's v, ``flipped`` is not ``(n,)``, or there is no
            such axis.

    Example:
        >>> x = torch.randn(2, 3, 50, 25, 2)
        >>> left_hand_first = spatial_flip(x, torch.tensor([True, False]), layout="ntu-rgb+d")
        >>> left_hand_first[0, :, :, 7].equal(x[0, :, :, 11]), left_hand_first[1].equal(x[1])
        (True, True)
    """
    layout = get(layout)
    check_clips(x, v=layout.num_joints)
    n, c, t, v, m = x.shape
    if flipped is None:
        flipped = torch.ones(n, dtype=torch.bool, device=x.device)
    check_axes(flipped, "n", name="flipped", n=n)
    check_boolean(flipped, name="flipped")
    _check_mirror_axis(mirror_axis)
    swap = torch.tensor(layout.swap, device=x.device)
    joint = torch.where(flipped[:, None], swap, torch.arange(v, device=x.device))
    # Gather joints and persons as one axis: selecting joint by joint would copy only m numbers at a time.
    place = (joint[:, :, None] * m + torch.arange(m, device=x.device)).view(n, 1, v * m)
    out = x.reshape(n, c * t, v * m).gather(2, place.expand(n, c * t, v * m)).view(x.shape)
    if mirror_axis is None:
        return out
    if mirror_axis >= c:
        raise ValueError(f"mirror_axis: expected one of the {c} channels of x, got {mirror_axis}")
    negated = flipped[:, None] & (torch.arange(c, device=x.device) == mirror_axis)
    return out * rearrange(torch.where(negated, -1, 1).to(x.dtype), "n c -> n c 1 1 1")


@explain_arguments
class RandomSpatialFlip(RandomTransform[SpatialFlipParams]):
    """Swap each clip's left and right with probability ``p``.

    It is one of AimCLR's eight augmentations. MsMCLR's released code uses it too, but its section 3.3 does not.

    Args:
        layout: A name, a dict or a layout.
        p: Probability that a clip is flipped; 0.5 in the released code.
        mirror_axis: The coordinate from left to right, for a true mirror image: 0 for NTU RGB+D. None, as in the
            released code, only swaps joints.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        ValueError: an unknown layout, ``p`` is not a probability, or there is no such axis.

    Example:
        >>> flipping = RandomSpatialFlip("nw-ucla", p=1.0, mirror_axis=0)
        >>> x = torch.randn(4, 3, 50, 20, 1)
        >>> flipping(flipping(x)).equal(x)
        True
    """

    def __init__(
        self,
        layout: str | Mapping[str, Any] | SkeletonLayout,
        *,
        p: float = 0.5,
        mirror_axis: int | None = None,
    ) -> None:
        super().__init__()
        check_probability(p, name="p")
        _check_mirror_axis(mirror_axis)
        self.layout = get(layout)
        self.p = p
        self.mirror_axis = mirror_axis

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> SpatialFlipParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        return SpatialFlipParams(torch.rand(n, **where))

    def transform(self, x: Tensor, params: SpatialFlipParams) -> Tensor:
        """Flip the clips with these draws."""
        return spatial_flip(x, params.gate < self.p, layout=self.layout, mirror_axis=self.mirror_axis)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"{self.layout.name!r}, p={self.p}, mirror_axis={self.mirror_axis}"


def _check_mirror_axis(mirror_axis: int | None) -> None:
    check_choice(mirror_axis, (None, 0, 1, 2), name="mirror_axis")
    if mirror_axis is not None:
        check_integer(mirror_axis, name="mirror_axis", least=0)  # rejects True, which equals 1
