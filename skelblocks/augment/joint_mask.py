"""Joint mask: hide some joints in some frames.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_boolean
from skelblocks.augment._clips import clip_sizes, zero_where


class JointMaskParams(NamedTuple):
    """Which joints, ``(n, v)``, and which frames, ``(n, t)``, a sample's mask covers; boolean."""

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
        TypeError: ``joints`` or ``frames`` are not boolean.
        ValueError: ``x`` is not ``(n, c, t, v, m)``, ``joints`` not ``(n, v)``, or ``frames`` not ``(n, t)``.

    Example:
        >>> x = torch.ones(1, 3, 4, 25, 1)
        >>> first_two = torch.arange(25)[None] < 2
        >>> y = joint_mask(x, first_two, torch.tensor([[True, False, False, True]]))
        >>> int(y.eq(0).sum())  # 3 channels, 2 frames, 2 joints
        12
    """
    check_axes(x, "n c t v m", name="x")
    n, _, t, v, _ = x.shape
    check_axes(joints, "n v", name="joints", n=n, v=v)
    check_axes(frames, "n t", name="frames", n=n, t=t)
    check_boolean(joints, name="joints")
    check_boolean(frames, name="frames")
    return zero_where(x, joints[:, None, None, :, None] & frames[:, None, :, None, None])


class RandomJointMask(nn.Module):
    """Mask random joints of each clip in random frames; how many of both is drawn too, uniformly between two bounds.

    MsMCLR's section 3.3 takes the joint mask over from AS-CAL without numbers (its released code has none): the
    defaults are the 5 to 15 of 25 joints and 20 to 50 of 50 frames of AS-CAL's code. Other skeletons and lengths get
    the same fractions.

    Args:
        joints: Smallest and largest fraction of the joints.
        frames: Smallest and largest fraction of the frames.

    Shape:
        ``(n, c, t, v, m)`` to the same.

    Example:
        >>> masking = RandomJointMask()
        >>> y = masking(torch.ones(4, 3, 50, 25, 1), generator=torch.Generator().manual_seed(0))
        >>> hidden = y.eq(0).any(dim=2)[:, 0, :, 0].sum(dim=1)
        >>> bool((hidden >= 5).all() and (hidden <= 15).all())
        True
    """

    def __init__(self, joints: tuple[float, float] = (0.2, 0.6), *, frames: tuple[float, float] = (0.4, 1.0)) -> None:
        super().__init__()
        for name, (low, high) in (("joints", joints), ("frames", frames)):
            if not 0 <= low <= high <= 1:
                raise ValueError(
                    f"{name}: expected fractions (low, high) with 0 <= low <= high <= 1, got {(low, high)}"
                )
        self.joints = joints
        self.frames = frames

    def sample(
        self,
        shape: Sequence[int],
        *,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> JointMaskParams:
        """Draw for clips of this shape."""
        n, _, t, v, _ = clip_sizes(shape)
        masks = []
        for size, (low, high) in ((v, self.joints), (t, self.frames)):
            count = torch.randint(round(low * size), round(high * size) + 1, (n, 1), device=device, generator=generator)
            place = torch.rand(n, size, device=device, generator=generator).argsort(dim=1).argsort(dim=1)
            masks.append(place < count)
        return JointMaskParams(*masks)

    def transform(self, x: Tensor, params: JointMaskParams) -> Tensor:
        """Mask by these draws."""
        return joint_mask(x, params.joints, params.frames)

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw and mask."""
        return self.transform(x, self.sample(x.shape, device=x.device, generator=generator))

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"joints={self.joints}, frames={self.frames}"
