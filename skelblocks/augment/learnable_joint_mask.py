"""Learnable joint mask: replace some joints of every frame by one learnable value.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_boolean
from skelblocks._utils.deprecated import renamed_arguments, renamed_attribute
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_ratio, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.clips.person_mask import person_mask


class LearnableJointMaskParams(NamedTuple):
    """True for joints that are hidden in a frame, ``(n, t, v)``, boolean."""

    mask: Tensor


@explain_arguments
def fill_joints(x: Tensor, mask: Tensor, fill: Tensor, *, on_absent_persons: bool = False) -> Tensor:
    """Set all coordinates of the masked joints to one value, for all persons.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        mask: True for a joint that is hidden in that frame, ``(n, t, v)``, boolean.
        fill: The value, ``(1,)``. Its gradient is the sum over all coordinates that it replaces.
        on_absent_persons: Whether to set the value for absent persons too, whose coordinates are all zero. HiCLR's
            released code does.

    Returns:
        The filled clips, same shape and dtype.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``mask`` not ``(n, t, v)``, or ``fill`` not ``(1,)``.
        TypeError: ``x`` is not floating-point, or ``mask`` not boolean.

    Example:
        >>> x, fill = torch.ones(1, 3, 2, 25, 1), torch.tensor([5.0], requires_grad=True)
        >>> first_joint = torch.arange(25).expand(1, 2, 25) == 0
        >>> y = fill_joints(x, first_joint, fill)
        >>> y[0, 0, 0, :3, 0].tolist()
        [5.0, 1.0, 1.0]
        >>> y.sum().backward()
        >>> fill.grad  # 3 channels, 2 frames, 1 joint
        tensor([6.])
    """
    check_clips(x)
    n, _, t, v, m = x.shape
    check_axes(mask, "n t v", name="mask", n=n, t=t, v=v)
    check_boolean(mask, name="mask")
    if not isinstance(fill, Tensor) or fill.shape != (1,):
        got = f"shape {tuple(fill.shape)}" if isinstance(fill, Tensor) else type(fill).__name__
        raise ValueError(f"fill: expected a tensor of one value, shape (1,), got {got}; pass torch.full((1,), value)")
    hidden = repeat(mask, "n t v -> n 1 t v m", m=m)
    # Copy the mask for each person: with stride 0 on the last axis, each joint would need its own loop.
    hidden = hidden.contiguous() if on_absent_persons else hidden & rearrange(person_mask(x), "n m -> n 1 1 1 m")
    return torch.where(hidden, fill.to(x.dtype), x)


@explain_arguments
class LearnableJointMask(RandomTransform[LearnableJointMaskParams]):
    """Replace random joints, drawn separately for every frame, by one learnable value.

    This is the mask of HiCLR's strongest branch. As in the released code, the value starts at 0 and is applied after
    the conversion to bones or motion. The released checkpoints store it as ``mask_param``.

    **This transform has a trainable parameter.** Pass ``fill`` to the optimizer together with the encoder's parameters.
    Do not call the transform under ``torch.no_grad()`` or in a data loader's worker, where it would never be trained.

    Args:
        ratio: Ratio of joints to hide: ``int(ratio * v)`` in each frame, 2 of 25 by default.
        same_on_batch: Whether all clips of a batch get the same mask, as in the released code. By default each clip has
            its own. The persons of a clip always share one mask.
        on_absent_persons: Whether absent persons (all zeros) get the value too, as in the released code.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: ``ratio`` is not a number.
        ValueError: ``ratio`` is not in ``(0, 1]``, or, when drawing, ``int(ratio * v)`` is 0.

    Example:
        >>> masking = LearnableJointMask()
        >>> y = masking(torch.ones(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0))
        >>> y.eq(0)[:, 0, :, :, 0].sum(dim=2).unique(), y.requires_grad
        (tensor([2]), True)
    """

    shared = renamed_attribute("shared", "same_on_batch")

    @renamed_arguments(shared="same_on_batch")
    def __init__(self, ratio: float = 0.1, *, same_on_batch: bool = False, on_absent_persons: bool = False) -> None:
        super().__init__()
        check_ratio(ratio, "(0, 1]", name="ratio")
        self.ratio = ratio
        self.same_on_batch = same_on_batch
        self.on_absent_persons = on_absent_persons
        self.fill = nn.Parameter(torch.zeros(1))

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> LearnableJointMaskParams:
        """Draw for clips of this shape."""
        n, _, t, v, _ = clip_sizes(shape)
        count = int(round(self.ratio * v, 9))  # in floating point, 0.29 * 100 is slightly less than 29
        if count == 0 < v:
            least = ceil(10_000 / v) / 10_000  # round up: 0.0588 of 17 joints is less than one
            raise ValueError(
                f"ratio: expected at least {least:g}, so that one of v={v} joints is hidden, got {self.ratio}; raise it"
            )
        draws = torch.rand(1 if self.same_on_batch else n, t, v, **where)
        mask = torch.zeros_like(draws, dtype=torch.bool).scatter(2, draws.topk(count, dim=2).indices, True)
        return LearnableJointMaskParams(mask.expand(n, t, v))

    def transform(self, x: Tensor, params: LearnableJointMaskParams) -> Tensor:
        """Fill the joints of these draws."""
        return fill_joints(x, params.mask, self.fill, on_absent_persons=self.on_absent_persons)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"ratio={self.ratio}, same_on_batch={self.same_on_batch}, on_absent_persons={self.on_absent_persons}"
