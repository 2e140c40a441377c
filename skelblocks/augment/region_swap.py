"""Region swap: for some frames, some bodies of a clip come from another clip.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_boolean, check_integer
from skelblocks._utils.deprecated import renamed_arguments, renamed_attribute
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_index, check_ratio_range, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.clips.person_mask import person_mask
from skelblocks.layouts import SkeletonLayout, get


class RegionSwapParams(NamedTuple):
    """The region of each sample, and the clip it comes from.

    ``partner`` ``(n,)`` is the index of the other clip in the batch. ``bodies`` ``(n, bodies)`` is True for a body
    taken from it. ``start`` and ``length`` ``(n,)`` are in blocks of frames. If the draws are applied to a shorter
    clip, the region ends with the clip.
    """

    partner: Tensor
    bodies: Tensor
    start: Tensor
    length: Tensor


class Mixed(NamedTuple):
    """Mixed clips ``(n, c, t, v, m)``, the partner of each ``(n,)``, and the regions ``(n, blocks, v)``, boolean."""

    clips: Tensor
    partner: Tensor
    mask: Tensor


@explain_arguments
def region_swap(x: Tensor, partner: Tensor, mask: Tensor, *, on_absent_persons: bool = False) -> Tensor:
    r"""Take the coordinates inside a region from another clip of the batch.

    .. math:: y_{i,t,v} = x_{p(i),t,v} \text{ where } \text{mask}_{i,t,v}, \quad x_{i,t,v} \text{ elsewhere}

    SkeAttnCLR's released code mixes joints and computes bones and motion from the result. So bones across the region's
    border connect two people, and motion jumps at the start and end of the region. SkeleMixCLR's released code mixes
    the bones or the motion.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        partner: For each clip, the index of the clip that it takes the region from, ``(n,)``, int64.
        mask: True inside the region: ``(n, t, v)``, boolean, or ``(t, v)``, the same for all clips.
        on_absent_persons: What happens to a person who is absent (all zeros) in one of the two clips. By default the
            person is not changed: absent persons stay absent, and present persons keep all limbs. True always copies,
            as the released code does: if the partner has no second person, the region of the clip's second person moves
            to the origin, and a clip with one person can get a second person who consists of the region only.

    Returns:
        The mixed clips, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point, ``partner`` is not int64, or ``mask`` is not boolean.
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``partner`` is not ``(n,)``, or ``mask`` has neither shape.
        IndexError: ``partner`` names a clip that is not in the batch (on CUDA a device assertion).

    Example:
        >>> x = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1, 1).expand(2, 3, 8, 25, 1)
        >>> right_hand = torch.zeros(8, 25, dtype=torch.bool)
        >>> right_hand[4:, 11] = True
        >>> y = region_swap(x, torch.tensor([1, 0]), right_hand)
        >>> y[0, 0, :, 11, 0].tolist()
        [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    """
    check_clips(x)
    n, _, t, v, m = x.shape
    check_axes(partner, "n", name="partner", n=n)
    check_index(partner, name="partner")
    if isinstance(mask, Tensor) and mask.ndim == 2:
        check_axes(mask, "t v", name="mask", t=t, v=v)
        mask = mask.expand(n, t, v)
    check_axes(mask, "n t v", name="mask", n=n, t=t, v=v)
    check_boolean(mask, name="mask")
    taken = repeat(mask, "n t v -> n 1 t v m", m=m)
    if not on_absent_persons:
        present = person_mask(x)
        taken = taken & rearrange(present & present[partner], "n m -> n 1 1 1 m")
    return torch.where(taken, x.index_select(0, partner), x)


@explain_arguments
class RandomRegionSwap(RandomTransform[RegionSwapParams, Mixed]):
    """Mix each clip with another clip: random bodies, in a random run of frames.

    This is the data mixing of SkeleMixCLR, which SkeAttnCLR's section 3.2 uses as its extra augmentation. The defaults
    come from SkeAttnCLR's table 11: 3 to 4 of 5 bodies, and 4 to 7 of the 16 blocks of 4 frames in a clip of 64 frames.
    Other lengths and layouts get the same ratios, rounded, with at least one block and one body.

    The partner of clip ``i`` is ``(i + s) mod n``, with one shift ``s`` from 1 to n - 1 for the batch: no clip is its
    own partner, and every clip is a partner once. The released code draws ``s`` from 1 to n - 2, so the previous clip
    is never the partner, and a batch of two fails. It uses one region for all clips of a batch; here each clip has its
    own by default. The other modes of the released code (zeros, Gaussian noise, random joints) are not implemented.

    The returned mask has one row per block, for losses that pool a feature map inside and outside the region. It has
    ``ceil(t / stride)`` rows, the number of frames of the encoder's map (50 frames give 13, 64 give 16). The last block
    may be shorter. SkeleMixCLR's code rounds down to 12 rows for 50 frames, and then fails.
    ``mask.repeat_interleave(stride, dim=1)[:, :t]`` is the mask of the frames.

    Args:
        layout: A name, a dict or a layout. Whole bodies are taken.
        body_ratio: Smallest and largest ratio of bodies; (0.6, 0.8) in table 11. SkeleMixCLR's released config has 2 to
            3 of 5.
        block_ratio: Smallest and largest ratio of blocks; (4 / 16, 7 / 16) in table 11. SkeleMixCLR's released config
            has 7 to 11 of 16.
        stride: Frames per block, the product of the encoder's strides in time; 4 in the released code of both.
        same_on_batch: Use one region for the whole batch, as the released code does, instead of one per clip.
        on_absent_persons: Whether to swap persons who are absent in one of the two clips, as the released code does.
            :func:`region_swap` explains it. The returned mask does not depend on it.

    Shape:
        ``(n, c, t, v, m)``, n at least 2, to :class:`Mixed`: clips of that shape, ``(n,)`` and ``(n, blocks, v)``.

    Raises:
        TypeError: a stride that is not an integer, or a ratio that is not a pair of numbers.
        ValueError: an unknown layout, or a ratio or stride out of range.

    Example:
        >>> mixing = RandomRegionSwap("ntu-rgb+d")
        >>> mixed = mixing(torch.randn(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0))
        >>> mixed.clips.shape, mixed.mask.shape
        (torch.Size([4, 3, 50, 25, 2]), torch.Size([4, 13, 25]))
        >>> mixed.partner.tolist()
        [3, 0, 1, 2]
    """

    bodies = renamed_attribute("bodies", "body_ratio")
    blocks = renamed_attribute("blocks", "block_ratio")
    shared = renamed_attribute("shared", "same_on_batch")

    @renamed_arguments(bodies="body_ratio", blocks="block_ratio", shared="same_on_batch")
    def __init__(
        self,
        layout: str | Mapping[str, Any] | SkeletonLayout,
        *,
        body_ratio: tuple[float, float] = (3 / 5, 4 / 5),
        block_ratio: tuple[float, float] = (4 / 16, 7 / 16),
        stride: int = 4,
        same_on_batch: bool = False,
        on_absent_persons: bool = False,
    ) -> None:
        super().__init__()
        self.body_ratio = check_ratio_range(body_ratio, name="body_ratio", with_zero=False)
        self.block_ratio = check_ratio_range(block_ratio, name="block_ratio", with_zero=False)
        check_integer(stride, name="stride")
        self.layout = get(layout)
        self.stride = stride
        self.same_on_batch = same_on_batch
        self.on_absent_persons = on_absent_persons
        groups = self.layout.groups("body")
        place = {joint: body for body, group in enumerate(groups) for joint in group.joints}
        self._body_of_joint = tuple(place[joint] for joint in range(self.layout.num_joints))

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> RegionSwapParams:
        """Draw for clips of this shape."""
        n, _, t, _, _ = clip_sizes(shape)
        if n < 2:
            raise ValueError(f"shape: expected n >= 2 clips, to pair each with another, got n={n}; use a larger batch")
        regions, size = 1 if self.same_on_batch else n, len(self.layout.groups("body"))
        shift = torch.randint(1, n, (1,), **where)
        partner = (torch.arange(n, device=where.get("device")) + shift) % n
        low, high = _counts(self.body_ratio, size)
        count = torch.randint(low, high + 1, (regions, 1), **where)
        place = torch.rand(regions, size, **where).argsort(dim=1).argsort(dim=1)
        num_blocks = -(-t // self.stride)
        low, high = _counts(self.block_ratio, num_blocks)
        length = torch.randint(low, high + 1, (regions,), **where)
        # Draw the start uniformly, from 21 and 10 random bits. Use integers, because some devices have no float64, and
        # two draws, so that the generator advances as it would for one draw in float64.
        upper, lower = torch.randint(2**24, (regions, 2), **where).unbind(dim=1)
        bits = (upper & (2**21 - 1)) << 10 | lower >> 14
        start = bits * (num_blocks - length + 1) >> 31
        return RegionSwapParams(partner, (place < count).expand(n, size), start.expand(n), length.expand(n))

    def transform(self, x: Tensor, params: RegionSwapParams) -> Mixed:
        """Mix the clips with these draws."""
        check_clips(x, v=self.layout.num_joints)
        n, _, t, _, _ = x.shape
        check_axes(params.bodies, "n bodies", name="params.bodies", n=n, bodies=len(self.layout.groups("body")))
        check_axes(params.start, "n", name="params.start", n=n)
        check_axes(params.length, "n", name="params.length", n=n)
        block = torch.arange(-(-t // self.stride), device=x.device)
        inside = (block >= params.start[:, None]) & (block < (params.start + params.length)[:, None])
        joints = params.bodies[:, torch.tensor(self._body_of_joint, device=x.device)]
        mask = rearrange(inside, "n b -> n b 1") & rearrange(joints, "n v -> n 1 v")
        frames = repeat(mask, "n b v -> n (b s) v", s=self.stride)[:, :t]
        clips = region_swap(x, params.partner, frames, on_absent_persons=self.on_absent_persons)
        return Mixed(clips, params.partner, mask)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"{self.layout.name!r}, body_ratio={self.body_ratio}, block_ratio={self.block_ratio}, "
            f"stride={self.stride}, same_on_batch={self.same_on_batch}, on_absent_persons={self.on_absent_persons}"
        )


def _counts(ratios: tuple[float, float], size: int) -> tuple[int, int]:
    low, high = (max(1, round(ratio * size)) for ratio in ratios)
    return low, high
