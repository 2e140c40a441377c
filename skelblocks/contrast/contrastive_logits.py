"""Logits for instance discrimination: which key belongs to the query?

Axes: n samples, d embedding, k bank rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_contrast
from skelblocks.contrast.unit_rows import normalize_rows


@explain_arguments
def contrastive_logits(
    query: Tensor, key: Tensor, bank: Tensor, *, temperature: float, exclude: Tensor | None = None
) -> Tensor:
    r"""Cosines of a query with its own key and with every row of the bank, divided by a temperature.

    .. math:: l_n = [\hat q_n \cdot \hat k_n,\; \hat q_n \cdot b_1, \dots, \hat q_n \cdot b_K] / \tau

    These are the exponents in eq. 1 of AimCLR and eq. 3 of MsMCLR. Query and key are L2-normalized here, as in AimCLR
    and SkeAttnCLR. The bank is not normalized: the rows of :class:`~skelblocks.contrast.MomentumQueue` have length one.

    The product is computed in float32 at least, also inside autocast. In bfloat16 the rounding error of a logit of
    ``1 / 0.07`` can be 0.03, and the product is only a small part of a training step.

    Args:
        query: ``(n, d)``, of any length; or ``(..., n, d)``, several embeddings of the same clips. One call for all of
            them is faster, because it reads the bank once.
        key: ``(n, d)``, of any length. Gradient flows to it if it requires grad. Keys from a
            :class:`~skelblocks.contrast.MomentumEncoder` do not.
        bank: ``(k, d)``, unit rows. No gradient flows to it. Do not change it until ``backward`` has run.
        temperature: 0.07 in SkeletonCLR, CrosSCLR, AimCLR (section 4.2) and MsMCLR's code; 0.2 in SkeAttnCLR
            (section 3.1) and SkeleMixCLR.
        exclude: ``(n, k)``, true where a bank row is not a negative of that query; its logit becomes ``-inf``.
            :meth:`MomentumQueue.own_rows` finds older keys of the same clip.

    Returns:
        ``(..., n, 1 + k)``, the positive in column 0; in the query's precision, float32 at least.

    Raises:
        TypeError: an embedding is not floating-point, or ``exclude`` is not boolean.
        ValueError: sizes of ``n``, ``k`` or ``d`` differ, or ``temperature`` is not positive; in debug mode
            (:func:`skelblocks.debug`) also values that are not finite, or a bank without unit rows.

    Warns:
        UserWarning: a few rows of a bank on the CPU are not unit rows.

    Example:
        >>> query, key, bank = torch.tensor([[2.0, 0.0]]), torch.tensor([[5.0, 0.0]]), torch.eye(2)
        >>> contrastive_logits(query, key, bank, temperature=0.5)
        tensor([[2., 2., 0.]])
    """
    check_contrast(
        {"query": query, "key": key}, {"bank": bank}, temperature=temperature, exclude=exclude, several="query"
    )
    return compare(query, key, bank, temperature=temperature, exclude=exclude)


def compare(query: Tensor, key: Tensor, bank: Tensor, *, temperature: float, exclude: Tensor | None) -> Tensor:
    """Compute :func:`contrastive_logits` without its checks."""
    query = normalize_rows(query) / temperature  # dividing the (n, k) logits would cost more
    positive = (query * normalize_rows(key).to(query.dtype)).sum(dim=-1, keepdim=True)
    with autocast_off(query):
        negative = query @ bank.detach().to(query.dtype).T
    if exclude is not None:
        negative = negative.masked_fill(exclude, -torch.inf)
    return torch.cat((positive, negative), dim=-1)


@explain_arguments
class ContrastiveLogits(nn.Module):
    """Compare queries with their keys and with the bank: the module form of :func:`contrastive_logits`.

    Args:
        temperature: Divides the similarities. 0.07 in AimCLR, 0.2 in SkeAttnCLR.

    Shape:
        ``query`` ``(..., n, d)``, ``key`` ``(n, d)``, ``bank`` ``(k, d)`` to ``(..., n, 1 + k)``.

    Raises:
        ValueError: ``temperature`` is not positive.

    Example:
        >>> bank = nn.functional.normalize(torch.randn(32, 8), dim=1)
        >>> ContrastiveLogits(temperature=0.07)(torch.randn(4, 8), torch.randn(4, 8), bank).shape
        torch.Size([4, 33])
    """

    def __init__(self, *, temperature: float) -> None:
        super().__init__()
        check_positive(temperature, name="temperature")
        self.temperature = temperature

    def forward(self, query: Tensor, key: Tensor, bank: Tensor, *, exclude: Tensor | None = None) -> Tensor:
        """Logits ``(..., n, 1 + k)``."""
        return contrastive_logits(query, key, bank, temperature=self.temperature, exclude=exclude)

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"temperature={self.temperature}"
