"""Variance and covariance (VICReg): two views agree, every feature varies, and no two features repeat each other.

Axes: n samples, d features.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_choice, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.losses._two_views import check_two_views

Form = Literal["paper", "official"]


@explain_arguments
def variance_covariance_loss(
    first: Tensor,
    second: Tensor,
    *,
    invariance_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
    form: Form = "paper",
    eps: float = 1e-4,
) -> Tensor:
    r"""Distance between two views, plus penalties for features that do not vary and for correlated features.

    .. math:: L = \lambda\, s(z, z') + \mu\, [v(z) + v(z')] + \nu\, [c(z) + c(z')]

    .. math:: s = \tfrac{1}{n} \sum_n \lVert z_n - z'_n \rVert^2, \quad
        v(z) = \tfrac{1}{d} \sum_j \max\left(0, 1 - \sqrt{\operatorname{Var}(z_{\cdot j}) + \epsilon}\right), \quad
        c(z) = \tfrac{1}{d} \sum_{i \ne j} \operatorname{Cov}(z)_{ij}^2

    Eqs. 1 to 6 of VICReg (Bardes, Ponce, LeCun, ICLR 2022). It needs no negatives, no bank and no momentum encoder.
    UmURL and USDRL train skeleton encoders with it. With ``invariance_weight=0`` it is a regularizer: add it for the
    two views of a contrastive method, to keep the features from collapsing into a few directions.

    Statistics come from the local batch: nothing is gathered over processes. They are computed in float32 at least,
    also inside autocast.

    Args:
        first: ``(n, d)``, the embeddings of one view, of any length.
        second: ``(n, d)``, the embeddings of the other view. Gradient flows to both.
        invariance_weight: :math:`\lambda`, 25 in the paper.
        variance_weight: :math:`\mu`, 25 in the paper.
        covariance_weight: :math:`\nu`, 1 in the paper.
        form: ``"paper"`` uses the equations above. ``"official"`` follows the released code, which also divides
            :math:`s` by :math:`d` and the variance term by two.
        eps: Keeps the gradient of the square root finite. 1e-4 in the paper.

    Returns:
        A scalar, at least 0.

    Raises:
        TypeError: an embedding is not floating-point.
        ValueError: shapes that differ, fewer than two samples, or a setting out of range.

    Example:
        >>> x = 2 * torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> variance_covariance_loss(x, x).item()  # the features vary and are not correlated
        0.0
        >>> constant = torch.zeros(4, 2)
        >>> round(variance_covariance_loss(constant, constant).item(), 2)  # both views lack variance: 2 * 25 * 0.99
        49.5
    """
    _check_settings(invariance_weight, variance_weight, covariance_weight, form, eps)
    check_two_views(first, second)
    dtype = torch.promote_types(torch.promote_types(first.dtype, second.dtype), torch.float32)
    with autocast_off(first):
        views = [first.to(dtype), second.to(dtype)]
        distance = (views[0] - views[1]).square().sum(dim=1).mean()
        centered = [view - view.mean(dim=0) for view in views]
        variance = torch.stack([_lack_of_variance(view, eps) for view in centered]).sum()
        covariance = torch.stack([_covariance(view) for view in centered]).sum()
    if form == "official":
        distance, variance = distance / first.shape[1], variance / 2
    return invariance_weight * distance + variance_weight * variance + covariance_weight * covariance


def _lack_of_variance(centered: Tensor, eps: float) -> Tensor:
    deviation = (centered.square().sum(dim=0) / (len(centered) - 1) + eps).sqrt()
    return (1 - deviation).relu().mean()


def _covariance(centered: Tensor) -> Tensor:
    n, d = centered.shape
    covariance = centered.T @ centered / (n - 1)
    # Without its first entry the flat matrix splits into rows of d + 1, whose last column is the diagonal. No copy.
    off_diagonal = covariance.flatten()[1:].view(d - 1, d + 1)[:, :-1]
    return off_diagonal.square().sum() / d


@explain_arguments
class VarianceCovarianceLoss(nn.Module):
    """VICReg: two views agree, features vary and are uncorrelated. Module form of :func:`variance_covariance_loss`.

    Args:
        invariance_weight: Weight of the distance between the views. 25 in VICReg.
        variance_weight: Weight of the penalty for features that do not vary. 25 in VICReg.
        covariance_weight: Weight of the penalty for correlated features. 1 in VICReg.
        form: ``"paper"``, or ``"official"`` for the scaling of the released code.
        eps: Added to the variances. 1e-4 in VICReg.

    Shape:
        ``first`` ``(n, d)`` and ``second`` ``(n, d)`` to a scalar.

    Example:
        >>> regularizer = VarianceCovarianceLoss(invariance_weight=0)
        >>> weak, strong = torch.randn(2, 16, 32)
        >>> bool(regularizer(weak, strong) > 0)
        True
    """

    def __init__(
        self,
        *,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        form: Form = "paper",
        eps: float = 1e-4,
    ) -> None:
        super().__init__()
        _check_settings(invariance_weight, variance_weight, covariance_weight, form, eps)
        self.invariance_weight = invariance_weight
        self.variance_weight = variance_weight
        self.covariance_weight = covariance_weight
        self.form: Form = form
        self.eps = eps

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss of two views."""
        return variance_covariance_loss(
            first,
            second,
            invariance_weight=self.invariance_weight,
            variance_weight=self.variance_weight,
            covariance_weight=self.covariance_weight,
            form=self.form,
            eps=self.eps,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"invariance_weight={self.invariance_weight}, variance_weight={self.variance_weight}, "
            f"covariance_weight={self.covariance_weight}, form={self.form!r}, eps={self.eps}"
        )


def _check_settings(
    invariance_weight: float, variance_weight: float, covariance_weight: float, form: Form, eps: float
) -> None:
    weights = {
        "invariance_weight": invariance_weight,
        "variance_weight": variance_weight,
        "covariance_weight": covariance_weight,
    }
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"{name}: expected a finite number >= 0, got {weight}; pass 0 to leave the term out")
    check_choice(form, get_args(Form), name="form")
    check_positive(eps, name="eps")
