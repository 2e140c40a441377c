"""Relative tempo: show each clip at a slow and at a fast tempo, one of which is its own.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_axes, check_boolean, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.augment._clips import check_clips, clip_sizes
from skelblocks.augment.base import DrawOptions, RandomTransform


class RelativeTempoParams(NamedTuple):
    """True if a sample's own tempo is the fast one: ``(n,)``, boolean."""

    fast: Tensor


class TempoViews(NamedTuple):
    """Clips at their own tempo and at the other tempo; each ``(n, c, t // ratio, v, m)``."""

    own: Tensor
    other: Tensor


@explain_arguments
def relative_tempo(x: Tensor, fast: Tensor, *, ratio: int = 2) -> TempoViews:
    r"""Show each clip at two tempos, with the same number of frames.

    .. math:: \text{slow}_i = x_i, \qquad \text{fast}_i = x_{r i}, \qquad 0 \le i < \lfloor t / r \rfloor

    The slow view has the first frames of the clip; the fast view has every r-th frame of the whole clip. One of the two
    is the clip's own tempo.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        fast: True where the clip's own tempo is the fast one: ``(n,)``, boolean.
        ratio: r, the speed of the fast view relative to the slow view. 2 in the released code of RVTCLR.

    Returns:
        The clips at their own tempo and at the other tempo, each ``(n, c, t // ratio, v, m)``.

    Raises:
        TypeError: ``x`` is not floating-point, ``fast`` is not boolean, or ``ratio`` is not an integer.
        ValueError: ``x`` is not ``(n, c, t, v, m)`` with at least ``ratio`` frames, ``fast`` is not ``(n,)``, or
            ``ratio`` is below 2.

    Example:
        >>> x = torch.arange(6.0).view(1, 1, 6, 1, 1)
        >>> own, other = relative_tempo(x, torch.tensor([True]))
        >>> own.flatten().tolist(), other.flatten().tolist()
        ([0.0, 2.0, 4.0], [0.0, 1.0, 2.0])
    """
    check_clips(x)
    n, _, t, _, _ = x.shape
    check_integer(ratio, name="ratio", least=2)
    check_axes(fast, "n", name="fast", n=n)
    check_boolean(fast, name="fast")
    frames = t // ratio
    if not frames:
        raise ValueError(f"x: expected at least ratio={ratio} frames, got t={t}; use longer clips, or lower the ratio")
    slow, quick = x[:, :, :frames], x[:, :, : frames * ratio : ratio]
    chosen = fast[:, None, None, None, None]
    return TempoViews(torch.where(chosen, quick, slow), torch.where(chosen, slow, quick))


@explain_arguments
class RelativeTempo(RandomTransform[RelativeTempoParams, TempoViews]):
    """Choose a slow or a fast tempo for each clip at random, and show the clip at the other tempo too.

    This is the sampling of RVTCLR (ICCV 2023), applied after the weak augmentation. Draw once per batch, and apply the
    draws to the clips of the query and of the key: ``own`` of both is a pair at the same tempo, and ``other`` of the
    key is the same clip at another tempo. :func:`~skelblocks.losses.relative_tempo_loss` ranks the two.

    The released code puts exactly half of a batch at each tempo. Here each clip is drawn independently.

    Args:
        ratio: Speed of the fast tempo relative to the slow one. 2 in the released code.

    Shape:
        ``(n, c, t, v, m)`` to :class:`TempoViews`, two clips ``(n, c, t // ratio, v, m)``.

    Raises:
        TypeError: ``ratio`` is not an integer.
        ValueError: ``ratio`` is below 2.

    Example:
        >>> tempos, clips = RelativeTempo(), torch.randn(2, 4, 3, 50, 25, 2)
        >>> params = tempos.sample(clips[0].shape, generator=torch.Generator().manual_seed(0))
        >>> query = tempos.transform(clips[0], params).own
        >>> key, other = tempos.transform(clips[1], params)
        >>> query.shape, other.shape
        (torch.Size([4, 3, 25, 25, 2]), torch.Size([4, 3, 25, 25, 2]))
    """

    def __init__(self, ratio: int = 2) -> None:
        super().__init__()
        check_integer(ratio, name="ratio", least=2)
        self.ratio = ratio

    def sample(self, shape: Sequence[int], **where: Unpack[DrawOptions]) -> RelativeTempoParams:
        """Draw for clips of this shape."""
        n, *_ = clip_sizes(shape)
        return RelativeTempoParams(torch.rand(n, **where) < 0.5)

    def transform(self, x: Tensor, params: RelativeTempoParams) -> TempoViews:
        """Show the clips at these tempos."""
        return relative_tempo(x, params.fast, ratio=self.ratio)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"ratio={self.ratio}"
