"""Barlow Twins: two views agree on every feature, and no two features repeat each other.

Axes: n samples, d features.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.losses._two_views import check_two_views


@explain_arguments
def barlow_twins_loss(first: Tensor, second: Tensor, *, off_diagonal_weight: float = 2e-4, eps: float = 1e-5) -> Tensor:
    r"""Squared distance between the views' cross-correlation matrix and the identity.

    .. math:: c = \tfrac{1}{n} \hat z_1^\top \hat z_2, \qquad
        L = \sum_i (c_{ii} - 1)^2 + \lambda \sum_{i \ne j} c_{ij}^2, \qquad
        \hat z = \frac{z - \operatorname{mean}_n z}{\sqrt{\operatorname{var}_n z + \epsilon}}

    with the biased variance. These are eqs. 1 and 2 of Barlow Twins, where :math:`\epsilon` is 0. The loss needs no
    negatives, no bank and no momentum encoder. PSTL sums it over two pairs of views: (plain, temporally masked) and
    (plain, spatially masked). The defaults come from PSTL's released code.

    Statistics and correlation come from the local batch: nothing is gathered over processes. They are computed in
    float32 at least, also inside autocast.

    Args:
        first: ``(n, d)``, the embeddings of one view, of any length and mean. PSTL's projector has the widths
            256-6144-6144-6144.
        second: ``(n, d)``, the embeddings of the other view. Gradient flows to both.
        off_diagonal_weight: :math:`\lambda`. 2e-4 in PSTL; 5e-3 in Barlow Twins.
        eps: Avoids a division by zero for a feature that is constant over the batch; such a feature counts as
            uncorrelated. 1e-5, as in ``BatchNorm1d``.

    Returns:
        A scalar, at least 0. For independent views it is about :math:`d + \lambda d (d - 1) / n`.

    Raises:
        TypeError: an embedding is not floating-point.
        ValueError: shapes that differ, fewer than two samples, or a setting out of range.

    Example:
        >>> x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> barlow_twins_loss(x, 3 * x + 1) < 1e-6, barlow_twins_loss(x, -x)
        (tensor(True), tensor(7.9999))
    """
    check_two_views(first, second)
    n, d = first.shape
    check_positive(eps, name="eps")
    _check_weight(off_diagonal_weight)
    dtype = torch.promote_types(torch.promote_types(first.dtype, second.dtype), torch.float32)
    with autocast_off(first):
        first, second = (F.batch_norm(x.to(dtype), None, None, training=True, eps=eps) for x in (first, second))
        correlation = first.T @ second / n
    # Without its first entry the flat matrix splits into rows of d + 1, whose last column is the diagonal. No copy.
    off_diagonal = correlation.flatten()[1:].view(d - 1, d + 1)[:, :-1]
    return (correlation.diagonal() - 1).square().sum() + off_diagonal_weight * off_diagonal.square().sum()


@explain_arguments
class BarlowTwinsLoss(nn.Module):
    """Make two views agree and features uncorrelated: the module form of :func:`barlow_twins_loss`.

    It has no state, so the loss is the same in ``train()`` and ``eval()``. PSTL's released code standardizes both views
    with a ``BatchNorm1d(affine=False)``, whose running statistics never affect the loss. Drop the entries ``bn.*`` of
    its checkpoints.

    Args:
        off_diagonal_weight: Weight of the correlations between different features. 2e-4 in PSTL.
        eps: Added to the variances, for features that are constant over the batch.

    Shape:
        ``first`` ``(n, d)`` and ``second`` ``(n, d)`` to a scalar.

    Example:
        >>> plain, temporal, spatial = torch.randn(3, 16, 32)
        >>> criterion = BarlowTwinsLoss()
        >>> loss = criterion(plain, temporal) + criterion(plain, spatial)
    """

    def __init__(self, *, off_diagonal_weight: float = 2e-4, eps: float = 1e-5) -> None:
        super().__init__()
        check_positive(eps, name="eps")
        _check_weight(off_diagonal_weight)
        self.off_diagonal_weight = off_diagonal_weight
        self.eps = eps

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The scalar loss."""
        return barlow_twins_loss(first, second, off_diagonal_weight=self.off_diagonal_weight, eps=self.eps)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"off_diagonal_weight={self.off_diagonal_weight}, eps={self.eps}"


def _check_weight(value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"off_diagonal_weight: expected a finite number >= 0, got {value}")
