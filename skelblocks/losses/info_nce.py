"""InfoNCE: recognize a query's own key among the rows of a bank.

Axes: n samples, d embedding, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelblocks._utils.checks import check_integer, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_contrast
from skelblocks.contrast.contrastive_logits import compare
from skelblocks.contrast.unit_rows import normalize_rows
from skelblocks.losses._logits import check_logits, check_roles
from skelblocks.losses._reduction import Reduction, check_clips, check_reduction, reduce_clips
from skelblocks.losses.bank_logsumexp import stream_bank


@explain_arguments
def info_nce(logits: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    r"""Cross-entropy with the positive key as the correct class, averaged over the batch.

    .. math:: L = \operatorname{mean}_n \big[ -\log \operatorname{softmax}(l_n)_0 \big]

    Eq. 1 of AimCLR, eq. 3 of MsMCLR. Half-precision logits are summed in float32.

    Args:
        logits: ``(n, 1 + k)``, already divided by the temperature, ``-inf`` for excluded rows. See
            :func:`~skelblocks.contrast.contrastive_logits`.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, at least 0; ``(n,)`` for ``"none"``. If all logits are equal, the loss is ``log(1 + k)``.

    Raises:
        TypeError: logits are not floating-point.
        ValueError: logits are not ``(n, 1 + k)`` with ``k >= 1``, or an unknown reduction.

    Example:
        >>> info_nce(torch.zeros(4, 8)).exp()
        tensor(8.)
    """
    check_logits(logits)
    check_reduction(reduction)
    return cross_entropy(logits, reduction=reduction)


def cross_entropy(logits: Tensor, *, reduction: Reduction) -> Tensor:
    """Compute :func:`info_nce` without checking the logits."""
    check_clips(logits.shape[0], reduction)
    positives = torch.zeros(logits.shape[0], dtype=torch.int64, device=logits.device)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(logits, positives, reduction=reduction)


@explain_arguments
def info_nce_from_embeddings(
    query: Tensor,
    key: Tensor,
    bank: Tensor,
    *,
    temperature: float,
    chunk_size: int | None = None,
    exclude: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Compute :func:`info_nce` from embeddings, reading the bank in chunks instead of storing the logits.

    Args:
        query: ``(n, d)``; normalized here.
        key: ``(n, d)``; normalized here.
        bank: ``(k, d)``, unit rows, constant.
        temperature: See :func:`~skelblocks.contrast.contrastive_logits`.
        chunk_size: Number of bank rows to process at a time. By default all rows, with the logits in memory.
        exclude: ``(n, k)`` boolean, true where a row is not a negative of that query.
        reduction: See :func:`info_nce`.

    Returns:
        The same as ``info_nce(contrastive_logits(...))``, for any chunk size.

    Raises:
        TypeError: a wrong dtype.
        ValueError: a wrong shape or range, or a key that requires grad while the query does not.

    Example:
        >>> from skelblocks.contrast import contrastive_logits, unit_rows
        >>> query, key, bank = torch.randn(4, 8), torch.randn(4, 8), unit_rows(torch.randn(100, 8))
        >>> loss = info_nce_from_embeddings(query, key, bank, temperature=0.07, chunk_size=16)
        >>> torch.allclose(loss, info_nce(contrastive_logits(query, key, bank, temperature=0.07)), rtol=1e-4)
        True
    """
    check_contrast({"query": query, "key": key}, {"bank": bank}, temperature=temperature, exclude=exclude)
    check_roles({"query": query}, {"key": key})
    check_reduction(reduction)
    if chunk_size is None:
        logits = compare(query, key, bank, temperature=temperature, exclude=exclude)
        return cross_entropy(logits, reduction=reduction)
    query = normalize_rows(query)
    positive = (query * normalize_rows(key).to(query.dtype)).sum(dim=1) / temperature
    negatives, _ = stream_bank(query, bank, temperature=temperature, chunk_size=chunk_size, exclude=exclude)
    return reduce_clips(torch.logaddexp(torch.zeros_like(positive), negatives - positive), reduction)


@explain_arguments
class InfoNCELoss(nn.Module):
    """Find the positive among the negatives: the module form of :func:`info_nce`.

    With a temperature it is the module form of :func:`info_nce_from_embeddings`.

    Args:
        temperature: With a number, the module takes query, key and bank: 0.07 in AimCLR and MsMCLR's code, 0.2 in
            SkeAttnCLR. With None, it takes logits that are already divided by the temperature.
        chunk_size: Number of bank rows to process at a time. It needs a temperature.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``logits`` ``(n, 1 + k)``, or ``query`` ``(n, d)``, ``key`` ``(n, d)`` and ``bank`` ``(k, d)``, to a scalar;
        ``(n,)`` for ``reduction="none"``.

    Raises:
        ValueError: a setting out of range, or ``chunk_size`` without a temperature.

    Example:
        >>> from skelblocks.contrast import contrastive_logits, unit_rows
        >>> query, key, bank = torch.randn(4, 8), torch.randn(4, 8), unit_rows(torch.randn(32, 8))
        >>> loss = InfoNCELoss(temperature=0.07)(query, key, bank)
        >>> torch.allclose(loss, InfoNCELoss()(contrastive_logits(query, key, bank, temperature=0.07)))
        True
    """

    def __init__(
        self, *, temperature: float | None = None, chunk_size: int | None = None, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        if temperature is not None:
            check_positive(temperature, name="temperature")
        if chunk_size is not None:
            check_integer(chunk_size, name="chunk_size")
            if temperature is None:
                raise ValueError(
                    f"chunk_size: expected None without a temperature, got {chunk_size}; logits need no chunks: "
                    "pass temperature=... too, and call the loss with query, key and bank"
                )
        check_reduction(reduction)
        self.temperature = temperature
        self.chunk_size = chunk_size
        self.reduction: Reduction = reduction

    def forward(
        self, logits: Tensor, key: Tensor | None = None, bank: Tensor | None = None, *, exclude: Tensor | None = None
    ) -> Tensor:
        """The loss.

        Args:
            logits: ``(n, 1 + k)``, or the query ``(n, d)`` if the module has a temperature.
            key: ``(n, d)``, only if the module has a temperature.
            bank: ``(k, d)`` unit rows, only if the module has a temperature.
            exclude: ``(n, k)`` boolean, only if the module has a temperature.

        Returns:
            A scalar, or ``(n,)`` for ``reduction="none"``.

        Raises:
            ValueError: query, key and bank without a temperature, or logits with one.
        """
        if self.temperature is None:
            for name, x in (("key", key), ("bank", bank), ("exclude", exclude)):
                if x is not None:
                    raise ValueError(
                        f"{name}: expected logits alone from a loss without a temperature, got {name} too; write "
                        "InfoNCELoss(temperature=0.07) to call it with query, key and bank"
                    )
            return info_nce(logits, reduction=self.reduction)
        if key is None or bank is None:
            missing = "key" if key is None else "bank"
            raise ValueError(
                f"{missing}: expected query, key and bank with temperature={self.temperature}, got None; "
                "for logits, write InfoNCELoss() without a temperature"
            )
        return info_nce_from_embeddings(
            logits,
            key,
            bank,
            temperature=self.temperature,
            chunk_size=self.chunk_size,
            exclude=exclude,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        embeddings = (
            "" if self.temperature is None else f"temperature={self.temperature}, chunk_size={self.chunk_size}, "
        )
        return f"{embeddings}reduction={self.reduction!r}"
