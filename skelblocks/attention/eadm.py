"""Energy-based attention-guided drop (EADM) of AimCLR: drop salient features, so that others are learned too.

Axes: n samples, m persons, c channels, t frames, v joints; a row is one map (c, t, v).
"""

from __future__ import annotations

import math
from typing import Literal, get_args, overload

import torch
from einops import rearrange
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_choice, check_filled, check_floating, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders._clips import check_no_clips
from skelblocks.encoders.present_persons import Absent, check_absent, present_rows

Variant = Literal["paper", "official"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
_LEAST = 1 / (1 + math.exp(-0.5))  # sigmoid(1/2), the attention of an entry that equals its channel's mean


@explain_arguments
def energy_attention(x: Tensor, *, regularization: float = 1e-4, unbiased: bool = False) -> Tensor:
    r"""Measure how much each entry of a channel stands out from the others: SimAM's attention (AimCLR, eq. 3).

    .. math:: \alpha = \operatorname{sigmoid}(1/e), \qquad
        \frac1e = \frac{(x - \hat\mu)^2}{4 (\hat\sigma^2 + \lambda)} + \frac12

    with the mean and the variance of a channel over its ``t * v`` entries. An entry equal to the mean has the minimum,
    ``sigmoid(1/2) = 0.622``. The attention is below 1, except for rounding.

    Args:
        x: Features ``(..., c, t, v)``.
        regularization: :math:`\lambda`; 1e-4 in the released code. The paper gives no number.
        unbiased: Divide the variance by ``t * v - 1``, as the released code does, instead of ``t * v`` as in eq. 3.

    Returns:
        The attention, with the shape of ``x``, in float32 at least. It is finite for all finite input.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: fewer than three axes, an empty row, or a ``regularization`` that is not positive.

    Example:
        >>> x = torch.zeros(1, 1, 5)
        >>> x[..., 2] = 1.0
        >>> [round(number, 2) for number in energy_attention(x).flatten().tolist()]
        [0.64, 0.64, 0.82, 0.64, 0.64]
    """
    check_axes(x, "... c t v", name="x")
    check_floating(x, name="x")
    check_no_clips(x, name="x", instead="x.flatten(0, 1)")
    check_positive(regularization, name="regularization")
    check_filled(x, "... c t v", name="x", filled="c t v")
    entries = x.shape[-2] * x.shape[-1]
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    # Rescale x and the regularization together, which does not change the attention, so that no square overflows.
    unit = x.detach().abs().amax(dim=(-2, -1), keepdim=True).clamp(min=1)
    x = x / unit
    squares = (x - x.mean(dim=(-2, -1), keepdim=True)).square()
    variance = squares.sum(dim=(-2, -1), keepdim=True) / max(entries - unbiased, 1)
    spread = (variance + regularization / unit.square()).clamp(min=torch.finfo(x.dtype).tiny)
    return (squares / (4 * spread) + 0.5).sigmoid()


@explain_arguments
def eadm(
    x: Tensor,
    *,
    keep_margin: float = 0.7,
    variant: Variant = "paper",
    regularization: float = 1e-4,
    absent: Absent = "compute",
    person_mask: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    r"""Drop joints and frames with high attention and scale up the rest (AimCLR, algorithm 1).

    .. math:: x \leftarrow x \, M_s \, \frac{\operatorname{count}(M_s)}{\operatorname{count\_ones}(M_s)}, \qquad
        x \leftarrow x \, M_t \, \frac{\operatorname{count}(M_t)}{\operatorname{count\_ones}(M_t)}

    Both masks come from the attention of the input. :math:`M_s` keeps the joints whose attention, averaged over
    channels and frames, is below the margin. :math:`M_t` keeps frames by the average over channels and joints. The
    joint and the frame with the lowest attention are always kept, including ties. No gradient flows through masks and
    counts.

    Args:
        x: Features ``(..., c, t, v)``.
        keep_margin: See :class:`EADM`.
        variant: See :class:`EADM`.
        regularization: See :func:`energy_attention`.
        absent: See :class:`EADM`.
        person_mask: Boolean ``(...)``, true where a person is present; only with ``absent="skip"``. Default: rows with
            any entry other than zero.

    Returns:
        The features, with the same shape and dtype, and the two masks, true where kept: joints ``(..., v)``, and frames
        ``(..., t)``, or single entries ``(..., c, t, v)`` with ``variant="official"``.

    Raises:
        TypeError: ``x`` is not floating-point.
        ValueError: fewer than three axes, an empty row, an unknown option, or a ``keep_margin`` outside
            (sigmoid(0.5), 1).

    Example:
        >>> y, (joints, frames) = eadm(torch.randn(2, 2, 256, 13, 25), keep_margin=0.674)
        >>> y.shape, joints.shape, frames.shape
        (torch.Size([2, 2, 256, 13, 25]), torch.Size([2, 2, 25]), torch.Size([2, 2, 13]))
    """
    _check_options(keep_margin, variant)
    check_absent(absent, person_mask)
    if absent == "compute":
        return _drop(x, keep_margin, variant, regularization)
    check_axes(x, "... c t v", name="x")
    check_floating(x, name="x")
    present = present_rows(x, absent, person_mask, coupled=variant == "official")
    rows = present.take(rearrange(x, "... c t v -> (...) c t v"))
    y, (joints, second) = _drop(rows, keep_margin, variant, regularization)
    y, joints, second = (
        part.reshape(*x.shape[:-3], *part.shape[1:]) for part in map(present.put_back, (y, joints, second))
    )
    return y, (joints, second)


def _drop(
    x: Tensor, keep_margin: float, variant: Variant, regularization: float
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    official = variant == "official"
    with torch.no_grad():
        attention = energy_attention(x, regularization=regularization, unbiased=official)
    averages = attention.mean(dim=(-3, -2), keepdim=True)
    joints = _below(averages, keep_margin, averages.amin(dim=-1, keepdim=True))
    if official:
        # Find the minimum among the kept joints: an entry kept at a dropped joint would have no effect.
        least = attention.where(joints, 1).amin(dim=(-3, -2, -1), keepdim=True)
        second = _below(attention, keep_margin, least)
    else:
        averages = attention.mean(dim=(-3, -1), keepdim=True)
        second = _below(averages, keep_margin, averages.amin(dim=-2, keepdim=True))
    gain = _gain(joints, official, attention.dtype) * _gain(second, official, attention.dtype)
    y = torch.where(joints & second, x * gain, 0).to(x.dtype)
    return y, (joints[..., 0, 0, :], second if official else second[..., 0, :, 0])


@explain_arguments
class EADM(nn.Module):
    """Drop the joints and frames that stand out most (AimCLR, section 3.3). It has no weights.

    AimCLR uses it in pre-training only, after the query encoder, on the extremely augmented branch only. The result is
    pooled and passed through the shared head.

    **How to choose a margin.** The attention lies between ``sigmoid(1/2) = 0.622`` and 1; a margin outside this range
    raises an error. Averages over many entries lie close together, so small changes of the margin matter. For 256 x 13
    x 25 independent normal numbers, a margin of 0.67 drops all joints but one, and 0.68 drops none. The maps of an
    untrained ST-GCN (synthetic clips, strongly augmented, 27 setups) vary more: joints between 0.63 and 0.76, frames
    between 0.64 and 0.67.

    ======  ==================  ======================
    margin  joints dropped      frames dropped
    ======  ==================  ======================
    0.66    a third to a half   half to three quarters
    0.7     1 to 3 %            none
    0.9     none                none
    ======  ==================  ======================

    So with the default margin, the paper's second mask has no effect on such maps, while the second mask of the
    released code drops a tenth of the entries. Above ``sigmoid(3/4) = 0.679``, the largest possible average over a
    whole row, at least one joint and one frame always pass.

    Args:
        keep_margin: Joints and frames whose average attention is at least this are dropped. The paper gives no number;
            the released encoder passes 0.7 (the released class has a default of 0.9, which is never used).
        variant: ``"paper"`` is algorithm 1: the second mask drops frames, counts are per row, and the variance is as in
            eq. 3. ``"official"`` is the released code: the second mask drops single entries by their own attention;
            counts are over the whole batch, so that a clip's scale depends on the other clips; and the variance is
            unbiased. If nothing passes, the released code divides by zero; here every row keeps something.
        regularization: Added to the variance in :func:`energy_attention`; 1e-4 in the released code.
        always: Drop in evaluation mode too, as the released code does. By default, evaluation returns the map
            unchanged.
        absent: ``"skip"`` after an encoder that skips absent persons: rows of zeros are not computed and stay zero,
            their masks are false, and they do not count in the official variant.

    Shape:
        ``(..., c, t, v)``, for instance an encoder's ``(n, m, c, t, v)``, to the same shape. With
        ``return_masks=True``, also the masks of :func:`eadm`, true where kept: joints ``(..., v)`` and frames
        ``(..., t)``, or entries ``(..., c, t, v)``.

    Raises:
        TypeError: a map that is not floating-point.
        ValueError: fewer than three axes, an empty row, an unknown option, or a ``keep_margin`` outside
            (sigmoid(0.5), 1).

    Example:
        >>> drop = EADM(keep_margin=0.7)
        >>> drop(torch.randn(2, 2, 256, 13, 25)).shape
        torch.Size([2, 2, 256, 13, 25])
    """

    def __init__(
        self,
        keep_margin: float = 0.7,
        *,
        variant: Variant = "paper",
        regularization: float = 1e-4,
        always: bool = False,
        absent: Absent = "compute",
    ) -> None:
        super().__init__()
        check_absent(absent)
        _check_options(keep_margin, variant)
        check_positive(regularization, name="regularization")
        self.keep_margin = keep_margin
        self.variant = variant
        self.regularization = regularization
        self.always = always
        self.absent: Absent = absent

    @overload
    def forward(
        self, feature_map: Tensor, *, return_masks: Literal[False] = False, person_mask: Tensor | None = None
    ) -> Tensor: ...
    @overload
    def forward(
        self, feature_map: Tensor, *, return_masks: Literal[True], person_mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...
    def forward(
        self, feature_map: Tensor, *, return_masks: bool = False, person_mask: Tensor | None = None
    ) -> Tensor | tuple[Tensor, tuple[Tensor, Tensor]]:
        """The map after the drop, and optionally the masks, which are returned even if they are not applied.

        Args:
            feature_map: ``(..., c, t, v)``.
            return_masks: Whether to return the masks too.
            person_mask: As for :func:`eadm`.
        """
        check_axes(feature_map, "... c t v", name="feature_map")
        check_floating(feature_map, name="feature_map")
        check_no_clips(feature_map, name="feature_map", instead="feature_map.flatten(0, 1)")
        active = self.training or self.always
        if not active and not return_masks:
            return feature_map
        y, masks = eadm(
            feature_map,
            keep_margin=self.keep_margin,
            variant=self.variant,
            regularization=self.regularization,
            absent=self.absent,
            person_mask=person_mask,
        )
        y = y if active else feature_map
        return (y, masks) if return_masks else y

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        skips = ", absent='skip'" if self.absent == "skip" else ""
        return f"keep_margin={self.keep_margin}, variant={self.variant!r}, always={self.always}{skips}"


def _below(attention: Tensor, keep_margin: float, least: Tensor) -> Tensor:
    # Two entries lie equally far from their mean: such ties are for symmetry to decide, not for rounding.
    return (attention < keep_margin) | (attention <= least + 16 * torch.finfo(attention.dtype).eps)


def _gain(mask: Tensor, over_batch: bool, dtype: torch.dtype) -> Tensor:
    """``count / count_ones``, with axes of size one: a number would take a half-precision x's dtype, and overflow."""
    return 1 / mask.to(dtype).mean(dim=tuple(range(mask.ndim)) if over_batch else (-3, -2, -1), keepdim=True)


def _check_options(keep_margin: float, variant: object) -> None:
    if not _LEAST < keep_margin < 1:
        raise ValueError(
            f"keep_margin: expected a number between sigmoid(1/2) = {_LEAST:.4f}, the least attention, and 1, both "
            f"excluded, got {keep_margin}; the released model has 0.7"
        )
    check_choice(variant, VARIANTS, name="variant")
