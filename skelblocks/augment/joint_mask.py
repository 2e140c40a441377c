"""Joint mask: hide some joints in some frames.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_boolean
from skelblocks._utils.deprecated import renamed_arguments, renamed_attribute
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_ratio_range, clip_sizes, zero_where
from skelblocks.augment.base import DrawOptions, RandomTransform


class JointMaskParams(NamedTuple):
    """The joints ``(n, v)`` and the frames ``(n, t)`` that each sample's mask covers; boolean."""

    joints: Tensor
    frames: Tensor


def joint_mask(x: Tensor, joints: Tensor, frames: Tensor) -> Tensor:
    """Set a sample's masked joints to zero in its masked frames, for all persons.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        joints: True for a masked joint, ``(n, v)``, boolean.
        frames: True for a masked frame, ``(n, t)``, boolean.

    Returns:
        The masked clips, same shape and dtype.

    Raises:
        TypeError: ``x`` is not floating-point, or ``joints`` or ``frames`` are not boolean.
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``joints`` not ``(n, v)``, or ``frames`` not ``(n, t)``.

    Example:
        >>> x = torch.ones(1, 3, 4, 25, 1)
        >>> first_two = torch.arange(25)[None] < 2
        >>> y = joint_mask(x, first_two, torch.tensor([[True, False, False, True]]))
        >>> int(y.eq(0).sum())  # 3 channels, 2 frames, 2 joints
        12
    """
    check_clips(x)
    n, _, t, v, _ = x.shape
    check_axes(joints, "n v", name="joints", n=n, v=v)
    check_axes(frames, "n t", name="frames", n=n, t=t)
    check_boolean(joints, name="joints")
    check_boolean(frames, name="frames")
    return zero_where(x, rearrange(joints, "n v -> n 1 1 v 1") & rearrange(frames, "n t -> n 1 t 1 1"))


@explain_arguments
class RandomJointMask(RandomTransform[JointMaskParams]):
    """Mask random joints of each clip in random frames. Both numbers are drawn uniformly between two bounds.

    MsMCLR's section 3.3 adopts the joint mask from AS-CAL without numbers, and its released code does not use it. The
    defaults follow AS-CAL's code: 5 to 15 of 25 joints, and 20 to 50 of 50 frames. Other skeletons and lengths get the
    same ratios.

    Args:
        joint_ratio: Smallest and largest ratio of the joints.
        frame_ratio: Smallest and largest ratio of the frames.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Raises:
        TypeError: a ratio is not a pair of numbers.
        ValueError: a ratio is not ``0 <= low <= high <= 1``.

    Example:
        >>> masking = RandomJointMask()
        >>> y = masking(torch.ones(4, 3, 50, 25, 1), generator=torch.Generator().manual_seed(0))
        >>> hidden = y.eq(0).any(dim=2)[:, 0, :, 0].sum(dim=1)
        >>> bool((hidden >= 5).all() and (hidden <= 15).all())
        True
    """

    joints = renamed_attribute("joints", "joint_ratio")
    frames = renamed_attribute("frames", "frame_ratio")

    @renamed_arguments(joints="joint_ratio", frames="frame_ratio")
    def __init__(
        self, joint_ratio: tuple[float, float] = (0.2, 0.6), *, frame_ratio: tuple[float, float] = (0.4, 1.0)
    ) -> None:
        super().__init__()
        self.joint_ratio = check_ratio_range(joint_ratio, name="joint_ratio", with_zero=True)
        self.frame_ratio = check_ratio_range(frame_ratio, name="frame_ratio", with_zero=True)

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> JointMaskParams:
        """Draw for clips of this shape."""
        n, _, t, v, _ = clip_sizes(shape)
        masks = []
        for size, (low, high) in ((v, self.joint_ratio), (t, self.frame_ratio)):
            count = torch.randint(round(low * size), round(high * size) + 1, (n, 1), **where)
            place = torch.rand(n, size, **where).argsort(dim=1).argsort(dim=1)
            masks.append(place < count)
        return JointMaskParams(*masks)

    def transform(self, x: Tensor, params: JointMaskParams) -> Tensor:
        """Mask the clips with these draws."""
        return joint_mask(x, params.joints, params.frames)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"joint_ratio={self.joint_ratio}, frame_ratio={self.frame_ratio}"
