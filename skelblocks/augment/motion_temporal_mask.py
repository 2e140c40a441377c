"""Motion temporal mask: remove the frames with the most motion, then some of the others.

Axes: n samples, c channels, t frames, v joints, m persons, s kept frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_filled, check_integer, values_visible
from skelblocks._utils.deprecated import renamed_arguments, renamed_attribute, warn_deprecated
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, check_index, check_ratio, clip_sizes, take_frames
from skelblocks.augment.base import DrawOptions, RandomTransform
from skelblocks.clips.frame_steps import frame_steps


class MotionTemporalMaskParams(NamedTuple):
    """Uniform draws in [0, 1), ``(n, t)``: among the remaining frames, the frames with the smallest draws are kept."""

    draws: Tensor


@explain_arguments
def frame_motion(x: Tensor, *, across_absence: bool = False) -> Tensor:
    r"""Measure how much a clip moves from each frame to the next.

    .. math:: a_t = \frac{1}{c\,v\,m} \sum_{c, v, m} (x_{t+1} - x_t)^2, \qquad a_T = 0

    The last frame has no next frame; as in PSTL's released code, its motion is zero. Absent persons do not contribute,
    nor do persons who enter or leave between the two frames.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        across_absence: Whether the difference to a frame in which the person is absent (all zeros) counts as motion, as
            in PSTL's released code. Then the last frame before zero padding has the most motion.

    Returns:
        ``(n, t)``, in float32 at least.

    Raises:
        ValueError: ``x`` is not ``(n, c, t, v, m)``, or has no frame.
        TypeError: ``x`` is not floating-point.

    Example:
        >>> frame_motion(torch.tensor([1.0, 2.0, 4.0, 4.0]).view(1, 1, 4, 1, 1))
        tensor([[1., 4., 0., 0.]])
    """
    check_clips(x)
    check_filled(x, "n c t v m", name="x", filled="t")
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return F.pad(frame_steps(x, across_absence=across_absence).square().mean(dim=(1, 3, 4)), (0, 1))


@explain_arguments
@renamed_arguments(draws="places")
def motion_temporal_mask(
    x: Tensor, places: Tensor, *, most_moving: int, kept: int | None = None, across_absence: bool = False
) -> Tensor:
    """Remove the frames with the most motion, then keep the selected frames of the others, in temporal order.

    Each sample uses its own :func:`frame_motion`. Of two frames with equal motion, the later one is removed first; in
    the released code this depends on ``topk``.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        places: The frames to keep, as indices into the frames that remain, each from 0 to t - ``most_moving`` - 1,
            ``(n, s)``, int64.
        most_moving: Number of frames to remove because of their motion, 0 to t - 1.
        kept: Deprecated. With it, ``places`` has uniform draws ``(n, t)``, and the ``kept`` smallest are selected.
        across_absence: See :func:`frame_motion`; True is the released code.

    Returns:
        ``(n, c, s, v, m)``, same dtype. Gradient flows to the kept frames, but not through the selection.

    Raises:
        TypeError: ``x`` is not floating-point, ``places`` is not int64, or ``most_moving`` is not an integer.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` or has no frame, ``places`` is not ``(n, s)``, ``most_moving`` is
            out of range, or a place is out of range (checked on the CPU only).

    Example:
        >>> x = torch.tensor([1.0, 9.0, 10.0, 11.0]).view(1, 1, 4, 1, 1)  # jumps after its first frame
        >>> motion_temporal_mask(x, torch.tensor([[0, 2]]), most_moving=1).flatten()
        tensor([ 9., 11.])
    """
    check_clips(x)
    check_filled(x, "n c t v m", name="x", filled="t")
    n, _, t, _, _ = x.shape
    check_integer(most_moving, name="most_moving", least=0)
    if most_moving >= t:
        raise ValueError(f"most_moving: expected 0 to {t - 1} of {t} frames, got {most_moving}; keep at least one")
    left = t - most_moving
    if kept is not None:
        warn_deprecated(
            "motion_temporal_mask: uniform draws with kept= are deprecated; pass ascending places: "
            "draws[:, :left].argsort(dim=1)[:, :kept].sort(dim=1).values, where left is t - most_moving",
            skip=1,
        )
        check_axes(places, "n t", name="draws", n=n, t=t)
        if not 1 <= kept <= left:
            raise ValueError(
                f"kept: expected 1 to {left}, the frames that most_moving={most_moving} leaves, got {kept}; lower it"
            )
        places = _smallest(places[:, :left], kept)
    check_axes(places, "n s", name="places", n=n)
    check_index(places, name="places")
    if values_visible(places) and bool(((places < 0) | (places >= left)).any()):
        raise ValueError(
            f"places: expected 0 to {left - 1}, because most_moving={most_moving} leaves {left} frames, got "
            f"{int(places.min())} to {int(places.max())}; count only the remaining frames"
        )
    return _keep(x, places, left=left, across_absence=across_absence)


@explain_arguments
class MotionTemporalMask(RandomTransform[MotionTemporalMaskParams]):
    """Shorten each clip to a random selection of its slow frames; PSTL's motion-attention temporal mask.

    PSTL's abstract removes fast frames "with a higher possibility". Its released code has two steps, as here: it always
    removes the fastest frames, and then removes others with equal probability. Both steps remove 10 frames: 50 frames
    become 40, then 30.

    Args:
        moving_ratio: Ratio of frames to remove because of their motion: ``round(moving_ratio * t)``, but never all
            frames. 10 of 50 in the released code.
        kept_ratio: Ratio of frames that remain in the end, relative to all t: ``round(kept_ratio * t)``, but at least
            one frame. 30 of 50 in the released code.
        same_on_batch: Use the same places among the slow frames for all samples, as in the released code. By default
            each sample has its own draws.
        across_absence: Whether a person who appears or vanishes counts as motion, as in the released code.

    Shape:
        ``(n, c, t, v, m)`` to ``(n, c, s, v, m)``: 30 of 50 frames, 38 of 64. Because it shortens the clip, place it
        last in a :class:`~skelblocks.augment.Compose`.

    Raises:
        TypeError: a ratio is not a number.
        ValueError: a ratio is out of range, or the sum of both is above 1.

    Example:
        >>> masking = MotionTemporalMask()
        >>> masking(torch.randn(4, 3, 50, 25, 2), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 30, 25, 2])
    """

    most_moving = renamed_attribute("most_moving", "moving_ratio")
    kept = renamed_attribute("kept", "kept_ratio")
    shared = renamed_attribute("shared", "same_on_batch")

    @renamed_arguments(most_moving="moving_ratio", kept="kept_ratio", shared="same_on_batch")
    def __init__(
        self,
        *,
        moving_ratio: float = 10 / 50,
        kept_ratio: float = 30 / 50,
        same_on_batch: bool = False,
        across_absence: bool = False,
    ) -> None:
        super().__init__()
        check_ratio(moving_ratio, "[0, 1)", name="moving_ratio")
        check_ratio(kept_ratio, "(0, 1]", name="kept_ratio")
        if moving_ratio + kept_ratio > 1 + 1e-9:
            raise ValueError(
                f"moving_ratio, kept_ratio: expected a sum of at most 1, got {moving_ratio} + {kept_ratio}; "
                "both are relative to all frames of the clip, so lower one of them"
            )
        self.moving_ratio = moving_ratio
        self.kept_ratio = kept_ratio
        self.same_on_batch = same_on_batch
        self.across_absence = across_absence

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> MotionTemporalMaskParams:
        """Draw for clips of this shape."""
        n, _, t, _, _ = clip_sizes(shape)
        draws = torch.rand(1 if self.same_on_batch else n, t, **where)
        return MotionTemporalMaskParams(draws.expand(n, t))

    def transform(self, x: Tensor, params: MotionTemporalMaskParams) -> Tensor:
        """Remove the frames of these draws."""
        check_clips(x)
        check_filled(x, "n c t v m", name="x", filled="t")
        n, _, t, _, _ = x.shape
        check_axes(params.draws, "n t", name="params.draws", n=n, t=t)
        most_moving = min(round(self.moving_ratio * t), t - 1)
        kept = min(max(1, round(self.kept_ratio * t)), t - most_moving)
        places = _smallest(params.draws[:, : t - most_moving], kept)
        return _keep(x, places, left=t - most_moving, across_absence=self.across_absence)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"moving_ratio={self.moving_ratio}, kept_ratio={self.kept_ratio}, same_on_batch={self.same_on_batch}, "
            f"across_absence={self.across_absence}"
        )


def _smallest(draws: Tensor, count: int) -> Tensor:
    """The indices of the smallest draws of each row, in ascending order."""
    return draws.argsort(dim=1)[:, :count].sort(dim=1).values


def _keep(x: Tensor, places: Tensor, *, left: int, across_absence: bool) -> Tensor:
    """Keep these places ``(n, s)`` among the ``left`` frames with the least motion."""
    motion = frame_motion(x.detach(), across_absence=across_absence)
    still = motion.argsort(dim=1, stable=True)[:, :left].sort(dim=1).values
    return take_frames(x, still.gather(1, places))
