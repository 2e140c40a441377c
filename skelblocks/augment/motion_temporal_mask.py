"""Motion temporal mask: leave out the frames in which a clip moves most, then some of the others.

Axes: n samples, c channels, t frames, v joints, m persons, s kept frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_filled, check_floating
from skelblocks.augment._clips import clip_sizes, take_frames


class MotionTemporalMaskParams(NamedTuple):
    """Unit draws in [0, 1), ``(n, t)``: of the frames that are left, those with the smallest are kept."""

    draws: Tensor


def frame_motion(x: Tensor) -> Tensor:
    r"""How much a clip moves from each frame to the next.

    .. math:: a_t = \frac{1}{c\,v\,m} \sum_{c, v, m} (x_{t+1} - x_t)^2, \qquad a_T = 0

    The last frame has no successor; as in PSTL's released code its motion is zero. An absent person adds nothing.

    Args:
        x: Clips ``(n, c, t, v, m)``.

    Returns:
        ``(n, t)``, in float32 at least.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``, or has no frame.
        TypeError: ``x`` is not floating-point.

    Example:
        >>> frame_motion(torch.tensor([0.0, 1.0, 3.0, 3.0]).view(1, 1, 4, 1, 1))
        tensor([[1., 4., 0., 0.]])
    """
    check_axes(x, "n c t v m", name="x")
    check_floating(x, name="x")
    check_filled(x, "n c t v m", name="x", filled="t")
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return F.pad(x.diff(dim=2).square().mean(dim=(1, 3, 4)), (0, 1))


def motion_temporal_mask(x: Tensor, draws: Tensor, *, most_moving: int, kept: int) -> Tensor:
    """Leave out the frames of most motion, then keep a random part of the others, in the order of time.

    Each sample by its own :func:`frame_motion`. Between frames of equal motion the earlier counts as stiller, where the
    released code leaves it to ``topk``. The last frame is therefore never left out for its motion.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        draws: Unit draws, ``(n, t)``; column ``i`` decides on the ``i``-th of the frames that motion leaves, and the
            last ``most_moving`` columns on none.
        most_moving: How many frames to leave out for their motion, 0 to t - 1.
        kept: s, how many to keep of the others, 1 to t - ``most_moving``.

    Returns:
        ``(n, c, s, v, m)``, same dtype. Gradient flows to the kept frames, none through the choice.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)`` or has no sample or frame, ``draws`` is not ``(n, t)``, or a number
            of frames is out of range.
        TypeError: ``x`` is not floating-point.

    Example:
        >>> x = torch.tensor([0.0, 9.0, 10.0, 11.0]).view(1, 1, 4, 1, 1)  # jumps after its first frame
        >>> draws = torch.tensor([[0.3, 0.9, 0.1, 0.0]])
        >>> motion_temporal_mask(x, draws, most_moving=1, kept=2).flatten()
        tensor([ 9., 11.])
    """
    check_axes(x, "n c t v m", name="x")
    check_filled(x, "n c t v m", name="x", filled="n")
    motion = frame_motion(x.detach())
    n, t = motion.shape
    check_axes(draws, "n t", name="draws", n=n, t=t)
    if not 0 <= most_moving < t:
        raise ValueError(f"most_moving: expected 0 to {t - 1} of the {t} frames, got {most_moving}")
    left = t - most_moving
    if not 1 <= kept <= left:
        raise ValueError(f"kept: expected 1 to {left}, the frames that most_moving={most_moving} leaves, got {kept}")
    still = motion.argsort(dim=1, stable=True)[:, :left].sort(dim=1).values
    chosen = draws[:, :left].argsort(dim=1)[:, :kept].sort(dim=1).values
    return take_frames(x, still.gather(1, chosen))


class MotionTemporalMask(nn.Module):
    """Shorten each clip to a random part of its still frames; PSTL's motion-attention temporal mask.

    PSTL's abstract removes fast frames "with a higher possibility". The two steps here are those of its released code:
    the fastest frames go for certain, then any of the others are as likely to go. That code has one number, 10 of 50
    frames, for both: 50 frames become 40, then 30.

    Args:
        most_moving: Fraction of the frames to leave out for their motion, ``round(most_moving * t)``, but never all;
            10 of 50 in the released code.
        kept: Fraction of the frames, counted on all t, that stay in the end, ``round(kept * t)``, at least 1 and at
            most those that motion leaves; 30 of 50 in the released code.
        shared: Keep the same places among the still frames for all samples, as in the released code (which frames
            these are is each sample's own). Default: each sample draws its own.

    Shape:
        ``(n, c, t, v, m)`` to ``(n, c, s, v, m)``: 30 of 50 frames, 38 of 64. As it shortens the clip, it goes last in
        a :class:`~skelblocks.augment.Compose`.

    Raises:
        ValueError: fractions out of range, or whose sum is above 1.

    Example:
        >>> masking = MotionTemporalMask()
        >>> masking(torch.randn(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 30, 25, 2])
    """

    def __init__(self, *, most_moving: float = 10 / 50, kept: float = 30 / 50, shared: bool = False) -> None:
        super().__init__()
        if not (0 <= most_moving < 1 and 0 < kept <= 1 and most_moving + kept <= 1 + 1e-9):
            raise ValueError(
                "most_moving, kept: expected fractions of the frames in [0, 1) and (0, 1] with a sum of at most 1, "
                f"got {most_moving} and {kept}"
            )
        self.most_moving = most_moving
        self.kept = kept
        self.shared = shared

    def sample(
        self,
        shape: Sequence[int],
        *,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> MotionTemporalMaskParams:
        """Draw for clips of this shape."""
        n, _, t, _, _ = clip_sizes(shape)
        draws = torch.rand(1 if self.shared else n, t, device=device, generator=generator)
        return MotionTemporalMaskParams(draws.expand(n, t))

    def transform(self, x: Tensor, params: MotionTemporalMaskParams) -> Tensor:
        """Leave out by these draws."""
        check_axes(x, "n c t v m", name="x")
        t = x.shape[2]
        most_moving = min(round(self.most_moving * t), t - 1)
        kept = min(max(1, round(self.kept * t)), t - most_moving)
        return motion_temporal_mask(x, params.draws, most_moving=most_moving, kept=kept)

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw and leave out."""
        return self.transform(x, self.sample(x.shape, device=x.device, generator=generator))

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"most_moving={self.most_moving}, kept={self.kept}, shared={self.shared}"
