"""Salient contrast: SkeAttnCLR's local loss for the salient and the non-salient features of a clip.

Axes: n samples, d embedding, k bank rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_contrast
from skelblocks.contrast.contrastive_logits import compare
from skelblocks.contrast.unit_rows import normalize_rows
from skelblocks.losses._logits import check_roles
from skelblocks.losses._reduction import Reduction, check_reduction
from skelblocks.losses.info_nce import cross_entropy


@explain_arguments
def salient_contrast(
    query_salient: Tensor,
    query_non_salient: Tensor,
    key_salient: Tensor,
    key_non_salient: Tensor,
    bank: Tensor,
    *,
    temperature: float = 0.2,
    mu: float = 0.5,
    hard_negative: bool = True,
    detach_negative: bool = False,
    exclude: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""InfoNCE of the salient and of the non-salient embeddings, each an extra negative for the other.

    .. math:: L_s = \operatorname{mean}_n \Big[ -\log \frac{e^{q_s \cdot k_s / \tau}}
        {e^{q_s \cdot k_s / \tau} + e^{q_s \cdot q_{ns} / \tau} + \sum_j e^{q_s \cdot b_j / \tau}} \Big], \qquad
        L = \mu L_s + (1 - \mu) L_{ns}

    where :math:`L_{ns}` is the same for :math:`q_{ns}, k_{ns}` with the extra negative :math:`q_s`. These are eqs. 8-10
    of SkeAttnCLR. The bank holds global embeddings. The full loss of the method (eq. 11) also has the InfoNCE of the
    global embeddings, which the training loop adds.

    Args:
        query_salient: ``(n, d)``, from the mixed query; normalized here.
        query_non_salient: ``(n, d)``, from the mixed query; normalized here.
        key_salient: ``(n, d)``, from the unmixed key, with the query's mask; normalized here.
        key_non_salient: ``(n, d)``, from the unmixed key, with the query's mask; normalized here.
        bank: ``(k, d)``, unit rows, constant.
        temperature: :math:`\tau`; 0.2 in the paper (section 3.1, table 8).
        mu: :math:`\mu`, the weight of :math:`L_s`, in [0, 1]. 0.5 in the paper (tables 8, 16). The released joint
            configs for NTU-60 have 1, which disables :math:`L_{ns}`; all others have 0.5.
        hard_negative: Whether the query's two embeddings are negatives of each other. Table 7 has an ablation without.
        detach_negative: Whether the extra negative is constant, as in the released code, so that each loss moves only
            its own query. Eqs. 8 and 9 do not mention it.
        exclude: ``(n, k)`` boolean, true where a bank row is not a negative of that query.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, at least 0, in float32 at least; ``(n,)`` for ``reduction="none"``. If all cosines are equal, the loss
        is ``log(2 + k)``.

    Raises:
        TypeError: a wrong dtype.
        ValueError: a wrong shape or range, an unknown reduction, ``detach_negative`` without ``hard_negative``, or keys
            that require grad while the queries do not, which means that they were swapped.

    Example:
        >>> query, key = torch.eye(4)[:2], torch.eye(4)[2:]
        >>> salient_contrast(query, query, query, query, key, temperature=1.0, mu=1.0, hard_negative=False)
        tensor(0.5514)
    """
    _check_options(temperature, mu, hard_negative, detach_negative)
    check_reduction(reduction)
    queries = {"query_salient": query_salient, "query_non_salient": query_non_salient}
    keys = {"key_salient": key_salient, "key_non_salient": key_non_salient}
    check_contrast(queries | keys, {"bank": bank}, temperature=temperature, exclude=exclude)
    check_roles(queries, keys)

    def one_side(query: Tensor, key: Tensor, other: Tensor) -> Tensor:
        logits = compare(query, key, bank, temperature=temperature, exclude=exclude)
        if hard_negative:
            other = other.detach() if detach_negative else other
            opposition = (normalize_rows(query) * normalize_rows(other)).sum(dim=1, keepdim=True) / temperature
            logits = torch.cat((logits, opposition), dim=1)
        return cross_entropy(logits, reduction=reduction)

    # Compute both sides for every mu: with mu 0 or 1 the unused side gets zero gradients, where DDP would reject None.
    salient = one_side(query_salient, key_salient, query_non_salient)
    non_salient = one_side(query_non_salient, key_non_salient, query_salient)
    return mu * salient + (1 - mu) * non_salient


@explain_arguments
class SalientContrastLoss(nn.Module):
    """Contrast salient and non-salient embeddings: the module form of :func:`salient_contrast`.

    Args:
        temperature: Divides the similarities. 0.2 in SkeAttnCLR.
        mu: Weight of the salient loss; the other loss has ``1 - mu``. 0.5 in the paper.
        hard_negative: Whether the query's two embeddings are negatives of each other.
        detach_negative: Whether this extra negative is constant, as in the released code.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``query_salient``, ``query_non_salient``, ``key_salient``, ``key_non_salient``, each ``(n, d)``, and ``bank``
        ``(k, d)`` to a scalar; ``(n,)`` for ``reduction="none"``.

    Raises:
        ValueError: a setting out of range, an unknown reduction, or ``detach_negative`` without ``hard_negative``.

    Example:
        >>> from skelblocks.contrast import unit_rows
        >>> embeddings, bank = torch.randn(4, 8, 128), unit_rows(torch.randn(1024, 128))
        >>> SalientContrastLoss()(*embeddings, bank).shape
        torch.Size([])
    """

    def __init__(
        self,
        *,
        temperature: float = 0.2,
        mu: float = 0.5,
        hard_negative: bool = True,
        detach_negative: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        _check_options(temperature, mu, hard_negative, detach_negative)
        self.temperature = temperature
        self.mu = mu
        self.hard_negative = hard_negative
        self.detach_negative = detach_negative
        self.reduction: Reduction = reduction

    def forward(
        self,
        query_salient: Tensor,
        query_non_salient: Tensor,
        key_salient: Tensor,
        key_non_salient: Tensor,
        bank: Tensor,
        *,
        exclude: Tensor | None = None,
    ) -> Tensor:
        """The loss."""
        return salient_contrast(
            query_salient,
            query_non_salient,
            key_salient,
            key_non_salient,
            bank,
            temperature=self.temperature,
            mu=self.mu,
            hard_negative=self.hard_negative,
            detach_negative=self.detach_negative,
            exclude=exclude,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"temperature={self.temperature}, mu={self.mu}, hard_negative={self.hard_negative}, "
            f"detach_negative={self.detach_negative}, reduction={self.reduction!r}"
        )


def _check_options(temperature: float, mu: float, hard_negative: bool, detach_negative: bool) -> None:
    check_positive(temperature, name="temperature")
    if not 0 <= mu <= 1:
        raise ValueError(f"mu: expected a weight of the salient side in [0, 1], got {mu}; the paper has 0.5")
    if detach_negative and not hard_negative:
        raise ValueError(
            "detach_negative: expected False with hard_negative=False, got True; there is no negative to detach: "
            "leave detach_negative out"
        )
