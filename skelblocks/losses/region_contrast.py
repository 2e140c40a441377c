"""SkeleMixCLR's regional losses: the pasted region and the rest of a mixed clip each match their own key.

Axes: n samples, d embedding, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_positive, values_visible
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_contrast
from skelblocks.contrast.contrastive_logits import compare
from skelblocks.contrast.unit_rows import normalize_rows
from skelblocks.losses._logits import check_roles
from skelblocks.losses._reduction import Reduction, check_reduction
from skelblocks.losses.info_nce import cross_entropy


class RegionLogits(NamedTuple):
    """Logits of the pasted regions and of the rest, each ``(n, 2 + k)``: own key, bank, other side of the clip."""

    inside: Tensor
    outside: Tensor


@explain_arguments
def region_logits(
    inside: Tensor,
    outside: Tensor,
    key: Tensor,
    partner: Tensor,
    bank: Tensor,
    *,
    temperature: float = 0.2,
    detach_negative: bool = True,
    exclude: Tensor | None = None,
) -> RegionLogits:
    r"""Compute the two matrices of logits whose InfoNCE :func:`region_contrast` averages.

    .. math:: l^p_n = [\hat p_n \cdot \hat k_{\pi(n)},\; \hat p_n \cdot b_1, \dots, \hat p_n \cdot b_K,\;
        \hat p_n \cdot \hat c_n] / \tau, \qquad
        l^c_n = [\hat c_n \cdot \hat k_n,\; \hat c_n \cdot b_1, \dots, \hat c_n \cdot b_K,\;
        \hat c_n \cdot \hat p_n] / \tau

    It takes the same arguments as :func:`region_contrast` and raises the same errors.

    Returns:
        Two matrices ``(n, 2 + k)``, float32 at least. Columns 0 to k are as in
        :func:`~skelblocks.contrast.contrastive_logits`; the last column is the other side of the same mixed clip.

    Example:
        >>> p, c, k = torch.randn(3, 4, 8)
        >>> logits = region_logits(p, c, k, torch.tensor([1, 2, 3, 0]), torch.randn(32, 8))
        >>> logits.inside.shape, logits.outside[:, -1].allclose(logits.inside[:, -1])
        (torch.Size([4, 34]), True)
    """
    embeddings = {"inside": inside, "outside": outside, "key": key}
    check_contrast(embeddings, {"bank": bank}, temperature=temperature, exclude=exclude)
    check_roles({"inside": inside, "outside": outside}, {"key": key})
    _check_partner(partner, inside.shape[0])
    rest = compare(outside, key, bank, temperature=temperature, exclude=exclude)
    own = None if exclude is None else exclude[partner]
    pasted = compare(inside, key[partner], bank, temperature=temperature, exclude=own)

    def extra(query: Tensor, other: Tensor) -> Tensor:
        other = normalize_rows(other.detach() if detach_negative else other)
        return (normalize_rows(query) * other).sum(dim=1, keepdim=True) / temperature

    return RegionLogits(
        torch.cat((pasted, extra(inside, outside).to(pasted.dtype)), dim=1),
        torch.cat((rest, extra(outside, inside).to(rest.dtype)), dim=1),
    )


@explain_arguments
def region_contrast(
    inside: Tensor,
    outside: Tensor,
    key: Tensor,
    partner: Tensor,
    bank: Tensor,
    *,
    temperature: float = 0.2,
    detach_negative: bool = True,
    exclude: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Compare the pasted region of a mixed clip with the key of its source, and the rest with the clip's own key.

    .. math:: L = \tfrac{1}{2} \operatorname{InfoNCE}(p, k_\pi, Q \cup \{c\})
        + \tfrac{1}{2} \operatorname{InfoNCE}(c, k, Q \cup \{p\})

    Here :math:`p` is the embedding of the region pasted into clip n, which came from clip :math:`\pi(n)`; :math:`c` is
    the embedding of the rest of clip n; and :math:`k` are the keys of the unmixed clips. Compute p and c with
    :func:`~skelblocks.encoders.region_pool` and the projection head. Each side is one more negative for the other.

    The factors of one half, the temperature and the detached negative follow SkeleMixCLR's released code, which adds
    this loss to InfoNCE of the unmixed query. That code writes the loss as
    :math:`-\log \sum_j q_j M_j / \sum_j M_j`. Its mask :math:`M` marks only the key, so this is plain InfoNCE.

    One call handles one mix. If a batch is mixed several times, the first version of the released code averages the
    losses, and the later version, which mixes three times, sums them. The sum weighs the regional losses three times
    as much relative to InfoNCE.

    Args:
        inside: ``(n, d)``, embeddings of the pasted regions; normalized here.
        outside: ``(n, d)``, embeddings of the rest of the clips; normalized here.
        key: ``(n, d)``, keys of the unmixed clips, in the order of the clips; normalized here.
        partner: ``(n,)`` int64, the clip from which the region in clip n was taken, as an index into ``key``.
        bank: ``(k, d)``, unit rows, constant.
        temperature: 0.2 in the released configuration.
        detach_negative: Whether the extra negative is constant, as in the released code. If False, the loss of each
            side also moves the other side.
        exclude: ``(n, k)`` boolean, true for bank rows that are not negatives of clip n, such as its older keys
            (:meth:`~skelblocks.contrast.MomentumQueue.own_rows`). The pasted region of clip n uses the row of its
            partner.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, at least 0; ``(n,)`` for ``reduction="none"``.

    Raises:
        TypeError: an embedding is not floating-point, ``partner`` not int64, or ``exclude`` not boolean.
        ValueError: sizes of ``n``, ``k`` or ``d`` differ, ``temperature`` is not positive, an unknown reduction, a key
            that requires grad while the queries do not, or a partner that is not in ``0..n-1`` (checked only on CPU
            and outside a compiled graph).

    Example:
        >>> key = torch.eye(4)
        >>> partner = torch.tensor([1, 2, 3, 0])
        >>> bank = torch.eye(4)
        >>> right = region_contrast(key[partner], key, key, partner, -bank)
        >>> bool(right < region_contrast(key, key[partner], key, partner, -bank))
        True
    """
    check_reduction(reduction)
    pasted, rest = region_logits(
        inside,
        outside,
        key,
        partner,
        bank,
        temperature=temperature,
        detach_negative=detach_negative,
        exclude=exclude,
    )
    return (cross_entropy(pasted, reduction=reduction) + cross_entropy(rest, reduction=reduction)) / 2


@explain_arguments
class RegionContrastLoss(nn.Module):
    """Compare both sides of a mixed clip with their keys: the module form of :func:`region_contrast`.

    Args:
        temperature: Divides the similarities. 0.2 in SkeleMixCLR's released configuration.
        detach_negative: Whether the other side, an extra negative, is constant. True in the released code.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``inside``, ``outside`` and ``key`` ``(n, d)``, ``partner`` ``(n,)``, ``bank`` ``(k, d)`` to a scalar; ``(n,)``
        for ``reduction="none"``.

    Raises:
        ValueError: ``temperature`` is not positive, or an unknown reduction.

    Example:
        >>> p, c, k = torch.randn(3, 4, 8)
        >>> RegionContrastLoss()(p, c, k, torch.tensor([1, 2, 3, 0]), torch.randn(32, 8)).shape
        torch.Size([])
    """

    def __init__(
        self, *, temperature: float = 0.2, detach_negative: bool = True, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        check_positive(temperature, name="temperature")
        check_reduction(reduction)
        self.temperature = temperature
        self.detach_negative = detach_negative
        self.reduction: Reduction = reduction

    def forward(
        self,
        inside: Tensor,
        outside: Tensor,
        key: Tensor,
        partner: Tensor,
        bank: Tensor,
        *,
        exclude: Tensor | None = None,
    ) -> Tensor:
        """The loss of one mix."""
        return region_contrast(
            inside,
            outside,
            key,
            partner,
            bank,
            temperature=self.temperature,
            detach_negative=self.detach_negative,
            exclude=exclude,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"temperature={self.temperature}, detach_negative={self.detach_negative}, reduction={self.reduction!r}"


def _check_partner(partner: Tensor, n: int) -> None:
    check_axes(partner, "n", name="partner", n=n)
    if partner.dtype != torch.int64:
        raise TypeError(
            f"partner: expected a torch.int64 tensor of indices, got {partner.dtype}; convert it with partner.long()"
        )
    if values_visible(partner) and bool(((partner < 0) | (partner >= n)).any()):
        raise ValueError(
            f"partner: expected clips of the batch, 0..{n - 1}, got {partner.tolist()}; "
            "pass each clip's index in the batch"
        )
