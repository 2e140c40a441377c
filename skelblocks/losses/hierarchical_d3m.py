"""HiCLR's chain: each view teaches the one that was augmented a step further.

Axes: n samples, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating, check_sequence
from skelblocks.losses.d3m import d3m_loss


def hierarchical_d3m_loss(logits_chain: Sequence[Tensor]) -> Tensor:
    r"""D3M between neighbours in a chain of growing augmentation, averaged over the pairs.

    .. math:: L = \frac{1}{S - 1} \sum_{s=1}^{S-1}
        \operatorname{D3M}(\text{teacher } l^{(s)},\; \text{student } l^{(s+1)})

    with :func:`~skelblocks.losses.d3m_loss`, whose teacher is held constant: the milder view teaches, the stronger one
    learns, never the other way. HiCLR (released code) has three levels, basic, normal and masked augmentation, all
    against the key of a basic view and one bank, so half the sum of two divergences; it adds this to InfoNCE of the
    first level, or to :func:`~skelblocks.losses.nearest_neighbor_mining` with all three levels naming neighbours.
    AimCLR's D3M differs in that the first level teaches all others.

    Args:
        logits_chain: One matrix ``(n, 1 + k)`` a level, mildest first, already divided by the temperature (0.07 in
            HiCLR). The first gets no gradient; a level in the middle is trained as a student and constant as a
            teacher.

    Returns:
        A scalar. Its least value is the mean of the teachers' entropies, not zero.

    Raises:
        TypeError: logits are not floating-point, or one matrix in place of a list.
        ValueError: fewer than two levels, or a level whose shape is not the first's.

    Example:
        >>> basic, normal, masked = torch.randn(3, 4, 33)
        >>> loss = hierarchical_d3m_loss([basic, normal, masked])
        >>> torch.allclose(loss, (d3m_loss([normal], basic) + d3m_loss([masked], normal)) / 2)
        True
    """
    check_sequence(logits_chain, name="logits_chain")
    if len(logits_chain) < 2:
        raise ValueError(
            f"logits_chain: expected at least two levels, the mildest first, got {len(logits_chain)}; a chain of one "
            "has nobody to teach"
        )
    check_axes(logits_chain[0], "n k", name="logits_chain[0]")
    n, columns = logits_chain[0].shape
    for s, logits in enumerate(logits_chain):
        check_axes(logits, "n k", name=f"logits_chain[{s}]", n=n, k=columns)
        check_floating(logits, name=f"logits_chain[{s}]")
    return torch.stack([d3m_loss([student], teacher) for teacher, student in pairwise(logits_chain)]).mean()


class HierarchicalD3MLoss(nn.Module):
    """Module form of :func:`hierarchical_d3m_loss`, for those who keep their losses in a container.

    Shape:
        ``logits_chain``, each ``(n, 1 + k)``, to a scalar.
    """

    def forward(self, logits_chain: Sequence[Tensor]) -> Tensor:
        """The scalar loss."""
        return hierarchical_d3m_loss(logits_chain)
