"""InfoNCE: find a query's own key among the rows of a bank.

Axes: n samples, d embedding, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_floating
from skelblocks.contrast.contrastive_logits import check_contrast, contrastive_logits
from skelblocks.contrast.unit_rows import unit_rows
from skelblocks.losses.bank_logsumexp import bank_logsumexp


def info_nce(logits: Tensor) -> Tensor:
    r"""Cross-entropy with the positive as the right answer, averaged over the batch.

    .. math:: L = \operatorname{mean}_n \big[ -\log \operatorname{softmax}(l_n)_0 \big]

    Eq. 1 of AimCLR, eq. 3 of MsMCLR. Half-precision logits are summed in float32.

    Args:
        logits: ``(n, 1 + k)``, already divided by the temperature; ``-inf`` for a row that is no negative. See
            :func:`~skelblocks.contrast.contrastive_logits`.

    Returns:
        A scalar, at least 0; ``log(1 + k)`` where all logits are equal.

    Raises:
        TypeError: logits are not floating-point.
        ValueError: logits are not a matrix.

    Example:
        >>> info_nce(torch.zeros(4, 8)).exp()
        tensor(8.)
    """
    check_axes(logits, "n k", name="logits")
    check_floating(logits, name="logits")
    positives = torch.zeros(logits.shape[0], dtype=torch.int64, device=logits.device)
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), positives)


def info_nce_from_embeddings(
    query: Tensor,
    key: Tensor,
    bank: Tensor,
    *,
    temperature: float,
    chunk_size: int | None = None,
    exclude: Tensor | None = None,
) -> Tensor:
    """:func:`info_nce` without the logits in memory: the bank is read in chunks.

    Args:
        query: ``(n, d)``; normalised here.
        key: ``(n, d)``; normalised here.
        bank: ``(k, d)``, unit rows, constant.
        temperature: See :func:`~skelblocks.contrast.contrastive_logits`.
        chunk_size: Bank rows looked at together. Default: all, by way of the logits.
        exclude: ``(n, k)`` boolean, true where a row is no negative of that query.

    Returns:
        The same scalar as ``info_nce(contrastive_logits(...))``, for any chunk size.

    Raises:
        TypeError: a wrong dtype.
        ValueError: a wrong shape or range.

    Example:
        >>> query, key, bank = torch.randn(4, 8), torch.randn(4, 8), unit_rows(torch.randn(100, 8))
        >>> loss = info_nce_from_embeddings(query, key, bank, temperature=0.07, chunk_size=16)
        >>> torch.allclose(loss, info_nce(contrastive_logits(query, key, bank, temperature=0.07)), rtol=1e-4)
        True
    """
    if chunk_size is None:
        return info_nce(contrastive_logits(query, key, bank, temperature=temperature, exclude=exclude))
    check_contrast(query, key, bank, temperature=temperature, exclude=exclude)
    query = unit_rows(query)
    positive = (query * unit_rows(key).to(query.dtype)).sum(dim=1) / temperature
    negatives, _ = bank_logsumexp(query, bank, temperature=temperature, chunk_size=chunk_size, exclude=exclude)
    return torch.logaddexp(torch.zeros_like(positive), negatives - positive).mean()


class InfoNCELoss(nn.Module):
    """Module form of :func:`info_nce`, for those who keep their losses in a container.

    Shape:
        ``logits`` ``(n, 1 + k)`` to a scalar.
    """

    def forward(self, logits: Tensor) -> Tensor:
        """The scalar loss."""
        return info_nce(logits)
