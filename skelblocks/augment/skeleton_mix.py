"""Skeleton mixing (ActCLR): mix a clip with limbs of another clip, limbs at double speed, or a blend of both clips.

Axes: n samples, c channels, t frames, v joints, m persons; b blocks of frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes, take_frames
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.augment.region_swap import RandomRegionSwap, RegionSwapParams
from skelblocks.clips.person_mask import person_mask
from skelblocks.layouts import SkeletonLayout


class SkeletonMixParams(NamedTuple):
    """How each sample is mixed. ``region`` has the partner and the region.

    ``way`` ``(n,)`` in [0, 1) selects one of the three ways of mixing. ``share`` ``(n,)`` in [0, 1) is the weight of
    the other clip in a blend.
    """

    region: RegionSwapParams
    way: Tensor
    share: Tensor


class SkeletonMixed(NamedTuple):
    """Mixed clips, and how much of both clips they show.

    ``clips`` ``(n, c, t, v, m)``; ``partner`` ``(n,)``, the index of the other clip; ``own`` and ``other``
    ``(n, b, v)`` in [0, 1], the weights of the clip and of its partner at each position of the feature map.
    """

    clips: Tensor
    partner: Tensor
    own: Tensor
    other: Tensor


@explain_arguments
class RandomSkeletonMix(RandomTransform[SkeletonMixParams, SkeletonMixed]):
    r"""Mix each clip with another clip of the batch, in one of three ways.

    * *Cut*, in half of the clips: random limbs come from the partner for a run of frames, as in
      :class:`RandomRegionSwap`.
    * *Resize*, in a quarter: the same region, filled with the partner's first frames at double speed. The limbs show
      twice as many of the partner's frames.
    * *Blend*, in a quarter: :math:`(1 - \lambda) x + \lambda x_p` everywhere, :math:`\lambda` uniform in [0, 1).

    These are CutMix, ResizeMix and Mixup for skeletons, with the numbers of ActCLR's released code. That code uses the
    same draws for the whole batch; here each clip has its own by default.

    Args:
        layout: A name, a dict or a layout. Whole bodies are taken.
        body_ratio: Smallest and largest ratio of bodies; 2 to 3 of 5 in the released code.
        block_ratio: Smallest and largest ratio of blocks; 3 to 5 of the 13 blocks of 50 frames in the released code.
        stride: Frames per block, the product of the encoder's strides in time.
        cut: Probability of *cut*.
        resize: Probability of *resize*; the rest is *blend*.
        same_on_batch: Use the same draws for the whole batch, as the released code does, instead of one per clip.
        on_absent_persons: What happens to a person who is absent (all zeros) in one of the two clips. By default the
            person is not changed. True mixes with the zeros, as the released code does.

    Shape:
        ``(n, c, t, v, m)``, n at least 2, to :class:`SkeletonMixed`.

    Raises:
        TypeError: a stride that is not an integer, or a ratio that is not a pair of numbers.
        ValueError: an unknown layout, a ratio, stride or probability out of range, or probabilities above 1 together.

    Example:
        >>> mixing = RandomSkeletonMix("ntu-rgb+d")
        >>> mixed = mixing(torch.randn(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0))
        >>> mixed.clips.shape, mixed.own.shape
        (torch.Size([4, 3, 50, 25, 2]), torch.Size([4, 13, 25]))
    """

    def __init__(
        self,
        layout: str | Mapping[str, Any] | SkeletonLayout,
        *,
        body_ratio: tuple[float, float] = (2 / 5, 3 / 5),
        block_ratio: tuple[float, float] = (3 / 13, 5 / 13),
        stride: int = 4,
        cut: float = 0.5,
        resize: float = 0.25,
        same_on_batch: bool = False,
        on_absent_persons: bool = False,
    ) -> None:
        super().__init__()
        check_probability(cut, name="cut")
        check_probability(resize, name="resize")
        if cut + resize > 1:
            raise ValueError(f"cut, resize: expected at most 1 together, got {cut} + {resize}; lower one of them")
        self.cut = cut
        self.resize = resize
        self.region = RandomRegionSwap(
            layout,
            body_ratio=body_ratio,
            block_ratio=block_ratio,
            stride=stride,
            same_on_batch=same_on_batch,
            on_absent_persons=on_absent_persons,
        )

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> SkeletonMixParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        region = self.region.sample(shape, **where)
        way, share = torch.rand(2, 1 if self.region.same_on_batch else n, **where).expand(2, n)
        return SkeletonMixParams(region, way, share)

    def transform(self, x: Tensor, params: SkeletonMixParams) -> SkeletonMixed:
        """Mix the clips with these draws."""
        check_clips(x)
        n, _, t, _, _ = x.shape
        check_axes(params.way, "n", name="params.way", n=n)
        check_axes(params.share, "n", name="params.share", n=n)
        stride = self.region.stride
        cut, partner, mask = self.region.transform(x, params.region)
        other = x.index_select(0, partner)
        region = repeat(mask, "n b v -> n 1 (b s) v 1", s=stride)[:, :, :t]
        share = params.share.to(x.dtype).view(n, 1, 1, 1, 1)
        fast = torch.where(region, take_frames(other, self._double_speed(t, params.region)), x)
        blended = x * (1 - share) + other * share
        if not self.region.on_absent_persons:
            present = person_mask(x)
            both = rearrange(present & present[partner], "n m -> n 1 1 1 m")
            fast, blended = torch.where(both, fast, x), torch.where(both, blended, x)

        is_cut = params.way < self.cut
        is_fast = ~is_cut & (params.way < self.cut + self.resize)
        clips = torch.where(_wide(is_cut, 5), cut, torch.where(_wide(is_fast, 5), fast, blended))
        inside, limbs = mask.to(x.dtype), mask.any(dim=1, keepdim=True).expand_as(mask).to(x.dtype)
        blend = share.view(n, 1, 1).expand_as(inside)
        own = torch.where(_wide(is_cut | is_fast, 3), 1 - inside, 1 - blend)
        shown = torch.where(_wide(is_cut, 3), inside, torch.where(_wide(is_fast, 3), limbs, blend))
        return SkeletonMixed(clips, partner, own, shown)

    def _double_speed(self, t: int, region: RegionSwapParams) -> Tensor:
        """For each frame of a clip, the frame of the partner that *resize* uses, ``(n, t)``."""
        length = (region.length * self.region.stride)[:, None]
        frame = torch.arange(t, device=length.device) - (region.start * self.region.stride)[:, None]
        taken = (2 * length).clamp(max=t)  # at most the whole clip
        return (frame.clamp(min=0) * taken // length).clamp(max=max(t - 1, 0))

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"cut={self.cut}, resize={self.resize}"


def _wide(x: Tensor, axes: int) -> Tensor:
    return x.view(-1, *[1] * (axes - 1))
