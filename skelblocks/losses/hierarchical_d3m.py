"""HiCLR's chain: each view teaches the next, stronger view.

Axes: n samples, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.losses._logits import check_logits_list, check_roles
from skelblocks.losses._reduction import Reduction, check_reduction
from skelblocks.losses.d3m import divergence


@explain_arguments
def hierarchical_d3m_loss(logits_chain: Sequence[Tensor], *, reduction: Reduction = "mean") -> Tensor:
    r"""D3M between consecutive levels of increasingly strong augmentation, averaged over the pairs.

    .. math:: L = \frac{1}{S - 1} \sum_{s=1}^{S-1}
        \operatorname{D3M}(\text{teacher } l^{(s)},\; \text{student } l^{(s+1)})

    with :func:`~skelblocks.losses.d3m_loss`, whose teacher is constant: the weaker view teaches and the stronger view
    learns. HiCLR's released code has three levels: basic, normal and masked augmentation, all compared with one bank
    and the key of a basic view. It adds this loss to InfoNCE of the first level, or to
    :func:`~skelblocks.losses.nearest_neighbor_mining` in which all three levels select neighbors. In AimCLR's D3M the
    first level teaches all the others instead.

    Args:
        logits_chain: One matrix ``(n, 1 + k)`` per level, weakest first, already divided by the temperature (0.07 in
            HiCLR). The first level gets no gradient. A level in the middle is trained as a student and constant as a
            teacher.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``. The pairs are always averaged.

    Returns:
        A scalar; ``(n,)`` for ``"none"``. The minimum is the mean of the teachers' entropies, not zero.

    Raises:
        TypeError: logits are not floating-point, or one matrix in place of a list.
        ValueError: fewer than two levels, a level whose shape differs from the first, an unknown reduction, or a first
            level that requires grad while no other level does.

    Example:
        >>> from skelblocks.losses import d3m_loss
        >>> basic, normal, masked = torch.randn(3, 4, 33)
        >>> loss = hierarchical_d3m_loss([basic, normal, masked])
        >>> torch.allclose(loss, (d3m_loss([normal], basic) + d3m_loss([masked], normal)) / 2)
        True
    """
    check_logits_list(logits_chain, name="logits_chain", least=2, expected="at least two levels, the weakest first")
    levels = {f"logits_chain[{s}]": logits for s, logits in enumerate(logits_chain)}
    first = next(iter(levels))
    check_roles({name: x for name, x in levels.items() if name != first}, {first: levels[first]})
    check_reduction(reduction)
    losses = [divergence([student], teacher, reduction=reduction) for teacher, student in pairwise(logits_chain)]
    return torch.stack(losses).mean(dim=0)


@explain_arguments
class HierarchicalD3MLoss(nn.Module):
    """Make each view learn from the next weaker one: the module form of :func:`hierarchical_d3m_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``logits_chain``, each ``(n, 1 + k)``, to a scalar; ``(n,)`` for ``reduction="none"``.

    Raises:
        ValueError: an unknown reduction.

    Example:
        >>> HierarchicalD3MLoss()(list(torch.randn(3, 4, 33))).shape
        torch.Size([])
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction

    def forward(self, logits_chain: Sequence[Tensor]) -> Tensor:
        """The loss."""
        return hierarchical_d3m_loss(logits_chain, reduction=self.reduction)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"reduction={self.reduction!r}"
