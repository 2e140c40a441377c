"""Relative tempo (RVTCLR): a clip is closer to itself at the same tempo than at another tempo.

Axes: n samples, d embedding.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from skelblocks._utils.autocast_off import autocast_off
from skelblocks._utils.checks import check_axes, check_floating, check_positive
from skelblocks._utils.debug import debugging
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast._checks import check_finite
from skelblocks.contrast.unit_rows import normalize_rows
from skelblocks.losses._logits import check_roles
from skelblocks.losses._reduction import Reduction, check_reduction, reduce_clips


@explain_arguments
def relative_tempo_loss(
    query: Tensor,
    own: Tensor,
    other: Tensor,
    *,
    temperature: float = 0.07,
    margin: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Rank two keys of a clip: the key at the clip's own tempo must be closer than the key at another tempo.

    .. math:: L = \frac{1}{n} \sum_n \max\Big(0, \gamma -
        \frac{\hat q_n \cdot \hat k_n - \hat q_n \cdot \hat o_n}{\tau}\Big)

    This is the ranking term of RVTCLR (ICCV 2023), as in its released code. There a second head computes the
    embeddings for this term. The embeddings of the first head learn to be the same at both tempos, by
    :func:`~skelblocks.losses.info_nce` with each of the two keys.

    Args:
        query: q ``(n, d)``, of a view at the clip's own tempo; normalized here.
        own: k ``(n, d)``, the key of another view at the same tempo, constant; normalized here.
        other: o ``(n, d)``, the key of the view at the other tempo, constant; normalized here.
        temperature: :math:`\tau`, 0.07 in the released code.
        margin: :math:`\gamma`, the required difference of the two similarities after division by the temperature. 1 in
            the released code, which is a difference of 0.07 in cosine.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar, at least 0; ``(n,)`` for ``"none"``.

    Raises:
        TypeError: an embedding is not floating-point.
        ValueError: shapes that differ, a setting out of range, or keys that require grad while the query does not,
            which means that they were swapped.

    Example:
        >>> import torch
        >>> query = torch.tensor([[1.0, 0.0]])
        >>> near, far = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> relative_tempo_loss(query, near, far).item()
        0.0
        >>> relative_tempo_loss(query, far, near, temperature=0.5).item()
        3.0
    """
    _check_settings(temperature, margin, reduction)
    check_axes(query, "n d", name="query")
    keys = {"own": own, "other": other}
    for name, x in keys.items():
        check_axes(x, "n d", name=name, n=query.shape[0], d=query.shape[1])
    for name, x in {"query": query, **keys}.items():
        check_floating(x, name=name)
        if debugging(x):
            check_finite(x, name=name)
    check_roles({"query": query}, keys)
    query, own, other = normalize_rows(query), normalize_rows(own.detach()), normalize_rows(other.detach())
    with autocast_off(query):
        lead = (query * (own - other)).sum(dim=1) / temperature
        losses = (margin - lead).relu()
    return reduce_clips(losses, reduction)


@explain_arguments
class RelativeTempoLoss(nn.Module):
    """Rank the key at the clip's own tempo above another: the module form of :func:`relative_tempo_loss`.

    Args:
        temperature: Divides the similarities. 0.07 in RVTCLR's released code.
        margin: Required difference of the two similarities after this division. 1 in the released code.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``query``, ``own`` and ``other``, each ``(n, d)``, to a scalar; ``(n,)`` for ``reduction="none"``.

    Raises:
        ValueError: a temperature that is not positive, a margin below 0, or an unknown reduction.

    Example:
        >>> import torch
        >>> query, own, other = torch.randn(3, 4, 128)
        >>> RelativeTempoLoss()(query, own, other).shape
        torch.Size([])
    """

    def __init__(self, *, temperature: float = 0.07, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        _check_settings(temperature, margin, reduction)
        self.temperature = temperature
        self.margin = margin
        self.reduction: Reduction = reduction

    def forward(self, query: Tensor, own: Tensor, other: Tensor) -> Tensor:
        """The loss."""
        return relative_tempo_loss(
            query, own, other, temperature=self.temperature, margin=self.margin, reduction=self.reduction
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return f"temperature={self.temperature}, margin={self.margin}, reduction={self.reduction!r}"


def _check_settings(temperature: float, margin: float, reduction: Reduction) -> None:
    check_positive(temperature, name="temperature")
    if not 0 <= margin < math.inf:
        raise ValueError(f"margin: expected a finite number >= 0, got {margin}; the released code has 1")
    check_reduction(reduction)
