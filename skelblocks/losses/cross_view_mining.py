"""CrosSCLR's cross-view mining: one view selects neighbors, which are positives for another view.

Axes: n samples, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_integer, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.losses._logits import check_logits, check_logits_list
from skelblocks.losses._reduction import Reduction
from skelblocks.losses.nearest_neighbor_mining import (
    PositivesReduction,
    check_neighbors,
    check_reductions,
    mark_neighbors,
    positives_loss,
)


class CrossViewPair(NamedTuple):
    """The logits of a view and the mask of its positives, each ``(n, 1 + k)``, or ``(n, 1 + 2k)`` with context."""

    logits: Tensor
    mask: Tensor


@explain_arguments
def cross_view_pair(
    logits: Tensor,
    other_logits: Tensor,
    *,
    temperature: float = 0.07,
    top_k: int = 1,
    context: bool = True,
    exclude: Tensor | None = None,
) -> CrossViewPair:
    r"""Logits and positives for one view: its own key, and the bank rows that are nearest in another view.

    With :math:`s^a_{nj} = q^a_n \cdot b^a_j`, the similarities of view a to its bank,

    .. math:: l_n = [q^a_n \cdot k^a_n,\; s^a_{n1}, \dots, s^a_{nK},\;
        s^a_{n1} s^b_{n1}, \dots, s^a_{nK} s^b_{nK}] / \tau

    where the products are the context: they are large for rows that are similar in both views. The positives are
    column 0, the ``top_k`` rows with the largest :math:`s^b`, and the products of these rows. Pass the result to
    :func:`~skelblocks.losses.nearest_neighbor_loss`; :func:`cross_view_mining` does so for all pairs.

    **Row j of both banks must come from the same clip.** Use two :class:`~skelblocks.contrast.MomentumQueue` of the
    same size, and always enqueue the same clips into both.

    Args:
        logits: ``(n, 1 + k)`` of view a, already divided by the temperature.
        other_logits: ``(n, 1 + k)`` of view b, against b's key and bank. Gradient flows to them through the context.
        temperature: The temperature by which both were divided. The products are divided by it once.
        top_k: Number of neighbors that view b selects. 1 in the released configuration.
        context: Whether to add the products. True in the released configuration.
        exclude: ``(n, k)`` boolean, true for rows that are neither neighbors nor negatives, such as older keys of the
            same clip. A row whose logit is ``-inf`` in either view is excluded too.

    Returns:
        Logits, in float32 at least, ``-inf`` for excluded rows; and the boolean mask, without gradient.

    Raises:
        TypeError: logits are not floating-point, or ``exclude`` is not boolean.
        ValueError: shapes that differ, ``top_k`` not in ``1..k``, or a temperature that is not positive.

    Example:
        >>> joint, motion = torch.tensor([[4.0, 2.0, 1.0]]), torch.tensor([[4.0, 1.0, 3.0]])
        >>> cross_view_pair(joint, motion, temperature=0.5)
        CrossViewPair(logits=tensor([[4.0000, 2.0000, 1.0000, 1.0000, 1.5000]]),
                      mask=tensor([[ True, False,  True, False,  True]]))
    """
    check_logits(logits)
    check_logits(other_logits, name="other_logits", like=logits)
    check_neighbors(logits, top_k=top_k, exclude=exclude)
    check_positive(temperature, name="temperature")
    return _pair(logits, other_logits, temperature=temperature, top_k=top_k, context=context, exclude=exclude)


def _pair(
    logits: Tensor, other_logits: Tensor, *, temperature: float, top_k: int, context: bool, exclude: Tensor | None
) -> CrossViewPair:
    positive, rows, other_rows = (
        x.to(torch.promote_types(x.dtype, torch.float32)) for x in (logits[:, :1], logits[:, 1:], other_logits[:, 1:])
    )
    absent = (rows == -torch.inf) | (other_rows == -torch.inf)
    if exclude is not None:
        absent = absent | exclude
    mask = mark_neighbors([other_logits], top_k=top_k, exclude=absent)
    parts = [positive, rows.masked_fill(absent, -torch.inf)]
    if context:
        # Fill with zeros before multiplying: the gradient of a product with -inf is NaN even where it is overwritten.
        product = rows.masked_fill(absent, 0) * other_rows.masked_fill(absent, 0) * temperature
        parts.append(product.masked_fill(absent, -torch.inf))
        mask = torch.cat((mask, mask[:, 1:]), dim=1)
    return CrossViewPair(torch.cat(parts, dim=1), mask)


@explain_arguments
def cross_view_mining(
    logits_per_view: Sequence[Tensor],
    *,
    temperature: float = 0.07,
    top_k: int = 1,
    context: bool = True,
    exclude: Tensor | None = None,
    reduction_over_positives: PositivesReduction = "mean",
    reduction: Reduction = "mean",
) -> Tensor:
    r"""CrosSCLR's second stage: each view is trained with the neighbors that every other view selects.

    .. math:: L = \sum_a \frac{1}{S - 1} \sum_{b \ne a} L_{a \leftarrow b}

    for S views such as joint, motion and bone, with :math:`L_{a \leftarrow b}` the
    :func:`~skelblocks.losses.nearest_neighbor_loss` of :func:`cross_view_pair`. Formula and defaults follow the
    released code, for two and for three views. It uses this loss from epoch 150 of 300, in place of the sum of the
    views' InfoNCE. AimCLR calls it "cross-stream knowledge mining" (section 4.3).

    **Row j of all banks must come from the same clip**; see :func:`cross_view_pair`.

    Args:
        logits_per_view: Two or more matrices ``(n, 1 + k)``, one for each view, from the view's own query, key and
            bank, already divided by the temperature.
        temperature: The temperature by which all were divided; the context needs it. 0.07 in CrosSCLR.
        top_k: Number of neighbors that one view selects for another. 1 in CrosSCLR.
        context: Whether to add columns with the products of two views' similarities. With them, a view's loss trains
            the other view's query too.
        exclude: ``(n, k)`` boolean, true for rows that are neither neighbors nor negatives; see
            :func:`cross_view_pair`.
        reduction_over_positives: See :func:`~skelblocks.losses.nearest_neighbor_loss`.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, in float32 at least; ``(n,)`` for ``reduction="none"``.

    Raises:
        TypeError: logits are not floating-point, one matrix in place of a list, or ``exclude`` is not boolean.
        ValueError: fewer than two views, shapes that differ, or a setting out of range.

    Example:
        >>> joint, motion, bone = torch.randn(3, 4, 33)
        >>> cross_view_mining([joint, motion, bone], temperature=0.07).shape
        torch.Size([])
    """
    expected = "two views or more (for one, use nearest_neighbor_mining)"
    check_logits_list(logits_per_view, name="logits_per_view", least=2, expected=expected)
    check_neighbors(logits_per_view[0], top_k=top_k, exclude=exclude)
    check_positive(temperature, name="temperature")
    check_reductions(reduction_over_positives, reduction)
    losses = []
    for a, logits in enumerate(logits_per_view):
        for b, other in enumerate(logits_per_view):
            if a != b:
                pair = _pair(logits, other, temperature=temperature, top_k=top_k, context=context, exclude=exclude)
                losses.append(
                    positives_loss(*pair, reduction_over_positives=reduction_over_positives, reduction=reduction)
                )
    return torch.stack(losses).sum(dim=0) / (len(logits_per_view) - 1)


@explain_arguments
class CrossViewMiningLoss(nn.Module):
    """Train each view with neighbors that the other views select: the module form of :func:`cross_view_mining`.

    Args:
        temperature: The temperature by which all logits were divided. 0.07 in CrosSCLR.
        top_k: Number of neighbors that one view selects for another. 1 in CrosSCLR.
        context: Whether to add columns with the products of two views' similarities.
        reduction_over_positives: ``"mean"`` or ``"sum"`` over a clip's positives.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``logits_per_view``, each ``(n, 1 + k)``, to a scalar; ``(n,)`` for ``reduction="none"``.

    Raises:
        TypeError: ``top_k`` is not an integer.
        ValueError: a setting out of range, or an unknown reduction.

    Example:
        >>> CrossViewMiningLoss(top_k=2)(list(torch.randn(3, 4, 33))).shape
        torch.Size([])
    """

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        top_k: int = 1,
        context: bool = True,
        reduction_over_positives: PositivesReduction = "mean",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_positive(temperature, name="temperature")
        check_integer(top_k, name="top_k")
        check_reductions(reduction_over_positives, reduction)
        self.temperature = temperature
        self.top_k = top_k
        self.context = context
        self.reduction_over_positives: PositivesReduction = reduction_over_positives
        self.reduction: Reduction = reduction

    def forward(self, logits_per_view: Sequence[Tensor], *, exclude: Tensor | None = None) -> Tensor:
        """The loss."""
        return cross_view_mining(
            logits_per_view,
            temperature=self.temperature,
            top_k=self.top_k,
            context=self.context,
            exclude=exclude,
            reduction_over_positives=self.reduction_over_positives,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"temperature={self.temperature}, top_k={self.top_k}, context={self.context}, "
            f"reduction_over_positives={self.reduction_over_positives!r}, reduction={self.reduction!r}"
        )
