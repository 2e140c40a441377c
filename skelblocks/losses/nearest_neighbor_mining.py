"""Nearest-neighbor mining (NNM): the closest rows of the bank are positives too.

Axes: n samples, k bank rows. Column 0 of a logits matrix is the positive key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from skelblocks._utils.checks import check_axes, check_boolean, check_choice, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.losses._logits import check_logits, check_logits_list, check_roles
from skelblocks.losses._reduction import Reduction, check_reduction, reduce_clips

PositivesReduction = Literal["mean", "sum"]
#: Which branches select a query's positives in :func:`nearest_neighbor_mining`.
Neighbors = Literal["all", "others"]


@explain_arguments
def nearest_neighbor_mask(
    logits_per_branch: Sequence[Tensor], *, top_k: int = 1, exclude: Tensor | None = None
) -> Tensor:
    r"""Mark the columns that count as positives: the key, and the nearest bank rows of every branch.

    This is the set :math:`N_+ = N_+^n \cup N_+^e \cup N_+^d` of AimCLR, section 3.5. Branches may agree, so a clip has
    between 1 and ``branches * top_k`` neighbors.

    Args:
        logits_per_branch: One matrix ``(n, 1 + k)`` per branch, all against the same bank. AimCLR: query, extreme view,
            extreme view after EADM. MsMCLR's code: query, joint, part, body (its paper has no mining).
        top_k: Number of neighbors that each branch selects. 1 in AimCLR (section 4.2).
        exclude: ``(n, k)`` boolean, true for rows that must not be neighbors, such as older keys of the same clip
            (:meth:`~skelblocks.contrast.MomentumQueue.own_rows`). Rows whose logit is ``-inf`` are always excluded.

    Returns:
        ``(n, 1 + k)`` boolean, without gradient. Column 0 is always true. A clip with fewer than ``top_k`` remaining
        rows gets fewer neighbors.

    Raises:
        TypeError: logits are not floating-point, one matrix in place of a list, ``exclude`` is not boolean, or
            ``top_k`` not an integer.
        ValueError: no branch, shapes that differ, or ``top_k`` not in ``1..k``.

    Example:
        >>> query, strong = torch.tensor([[9.0, 3.0, 2.0, 1.0]]), torch.tensor([[9.0, 1.0, 2.0, 3.0]])
        >>> nearest_neighbor_mask([query, strong])
        tensor([[ True,  True, False,  True]])
    """
    check_logits_list(logits_per_branch, name="logits_per_branch", least=1, expected="at least one branch")
    check_neighbors(logits_per_branch[0], top_k=top_k, exclude=exclude)
    return mark_neighbors(logits_per_branch, top_k=top_k, exclude=exclude)


def check_neighbors(logits: Tensor, *, top_k: int, exclude: Tensor | None) -> None:
    """Raise unless ``top_k`` and ``exclude`` fit logits ``(n, 1 + k)``."""
    n, columns = logits.shape
    check_integer(top_k, name="top_k")
    if top_k > columns - 1:
        raise ValueError(
            f"top_k: expected at most the {columns - 1} rows of the bank, got {top_k}; lower it, or use a larger bank"
        )
    if exclude is not None:
        check_axes(exclude, "n k", name="exclude", n=n, k=columns - 1)
        check_boolean(exclude, name="exclude")


def mark_neighbors(logits_per_branch: Sequence[Tensor], *, top_k: int, exclude: Tensor | None) -> Tensor:
    """Compute :func:`nearest_neighbor_mask` without its checks."""
    n, columns = logits_per_branch[0].shape
    neighbors = torch.zeros(n, columns - 1, dtype=torch.bool, device=logits_per_branch[0].device)
    for logits in logits_per_branch:
        scores = logits.detach()[:, 1:]
        if exclude is not None:
            scores = scores.masked_fill(exclude, -torch.inf)
        values, rows = scores.topk(top_k, dim=1)
        neighbors = neighbors | torch.zeros_like(neighbors).scatter(1, rows, values > -torch.inf)
    return torch.cat((torch.ones_like(neighbors[:, :1]), neighbors), dim=1)


@explain_arguments
def nearest_neighbor_loss(
    logits: Tensor,
    mask: Tensor,
    *,
    reduction_over_positives: PositivesReduction = "mean",
    reduction: Reduction = "mean",
) -> Tensor:
    r"""InfoNCE with several positives per clip.

    .. math:: L_N = \operatorname{mean}_n \Big[ - \frac{1}{|N_+(n)|}
        \sum_{j \in N_+(n)} \log \operatorname{softmax}(l_n)_j \Big]

    The key is one of :math:`N_+`. With ``"mean"``, the default, each clip's sum is divided by its number of positives,
    as in the released code of AimCLR, MsMCLR, HiCLR and CrosSCLR, which produced the published numbers. With ``"sum"``
    it is not divided, as in AimCLR's eq. 9 (which misprints "=" for "+" between the terms of the key and of the
    neighbors). With one to three neighbors, the sum is two to four times as large relative to D3M.

    Args:
        logits: ``(n, 1 + k)`` of the query. In the paper and in the code, this loss trains only the query.
        mask: ``(n, 1 + k)`` boolean with at least one positive per row; see :func:`nearest_neighbor_mask`.
        reduction_over_positives: ``"mean"`` (the released code) or ``"sum"`` (the paper).
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Returns:
        A scalar; ``(n,)`` for ``"none"``. It equals :func:`~skelblocks.losses.info_nce` if no clip has a neighbor,
        and is infinite if a positive's logit is ``-inf``.

    Raises:
        TypeError: logits are not floating-point, or the mask is not boolean.
        ValueError: shapes that differ, or an unknown reduction.

    Example:
        >>> logits, mask = torch.zeros(1, 4), torch.tensor([[True, True, False, False]])
        >>> nearest_neighbor_loss(logits, mask).exp()
        tensor(4.)
    """
    check_logits(logits)
    check_axes(mask, "n k", name="mask", n=logits.shape[0], k=logits.shape[1])
    check_boolean(mask, name="mask")
    check_reductions(reduction_over_positives, reduction)
    return positives_loss(logits, mask, reduction_over_positives=reduction_over_positives, reduction=reduction)


def check_reductions(reduction_over_positives: PositivesReduction, reduction: Reduction) -> None:
    """Raise ``ValueError`` unless both reductions are supported."""
    check_choice(reduction_over_positives, get_args(PositivesReduction), name="reduction_over_positives")
    check_reduction(reduction)


def positives_loss(
    logits: Tensor, mask: Tensor, *, reduction_over_positives: PositivesReduction, reduction: Reduction
) -> Tensor:
    """Compute :func:`nearest_neighbor_loss` without its checks."""
    log_p = logits.log_softmax(dim=1, dtype=torch.promote_types(logits.dtype, torch.float32))
    losses = -log_p.masked_fill(~mask, 0).sum(dim=1)
    if reduction_over_positives == "mean":
        losses = losses / mask.sum(dim=1)
    return reduce_clips(losses, reduction)


@explain_arguments
def nearest_neighbor_mining(
    query_logits: Tensor,
    student_logits: Sequence[Tensor],
    *,
    top_k: int = 1,
    neighbors: Neighbors = "all",
    exclude: Tensor | None = None,
    reduction_over_positives: PositivesReduction = "mean",
    reduction: Reduction = "mean",
) -> Tensor:
    """Mine the neighbors and compute the loss: :func:`nearest_neighbor_mask`, then :func:`nearest_neighbor_loss`.

    It replaces InfoNCE in the second stage of training: after epoch 150 of 300 in AimCLR (section 4.2) and in the
    released code of MsMCLR and HiCLR.

    CrosNNCLR mines across views: with ``neighbors="others"`` a view's positives are the rows that are nearest to the
    other view, not to itself. Its loss is the mean of both directions, query to key and key to query::

        across = partial(nearest_neighbor_mining, neighbors="others")
        loss = (across(query_logits, [key_logits]) + across(key_logits, [query_logits])) / 2

    Args:
        query_logits: ``(n, 1 + k)``, trained by this loss. With ``neighbors="all"`` the query selects neighbors too.
        student_logits: One matrix ``(n, 1 + k)`` for each further branch. They select neighbors and get no gradient.
        top_k: See :func:`nearest_neighbor_mask`.
        neighbors: Which branches select the positives. ``"all"``: the query and the students, as in AimCLR.
            ``"others"``: only the students, as in CrosNNCLR.
        exclude: ``(n, k)`` boolean, true for rows that must not be neighbors. They remain negatives unless their logits
            are ``-inf``: pass the same mask to :func:`~skelblocks.contrast.contrastive_logits` for that.
        reduction_over_positives: See :func:`nearest_neighbor_loss`.
        reduction: See :func:`nearest_neighbor_loss`.

    Returns:
        A scalar; ``(n,)`` for ``reduction="none"``.

    Raises:
        TypeError: a wrong dtype, or one matrix in place of a list.
        ValueError: a wrong shape or range, an unknown reduction or choice of neighbors, no student with
            ``neighbors="others"``, or students that require grad while the query does not, which means that they were
            swapped.

    Example:
        >>> query, extreme, dropped = torch.randn(3, 4, 33)
        >>> nearest_neighbor_mining(query, [extreme, dropped], top_k=1).shape
        torch.Size([])
    """
    check_logits(query_logits, name="query_logits")
    check_choice(neighbors, get_args(Neighbors), name="neighbors")
    least, expected = (1, "at least one, to select the neighbors") if neighbors == "others" else (0, "any number")
    check_logits_list(student_logits, name="student_logits", least=least, expected=expected, like=query_logits)
    check_neighbors(query_logits, top_k=top_k, exclude=exclude)
    check_roles({"query_logits": query_logits}, {f"student_logits[{b}]": x for b, x in enumerate(student_logits)})
    check_reductions(reduction_over_positives, reduction)
    branches = [*student_logits] if neighbors == "others" else [query_logits, *student_logits]
    mask = mark_neighbors(branches, top_k=top_k, exclude=exclude)
    return positives_loss(query_logits, mask, reduction_over_positives=reduction_over_positives, reduction=reduction)


@explain_arguments
class NearestNeighborLoss(nn.Module):
    """InfoNCE whose positives are the key and its neighbors: the module form of :func:`nearest_neighbor_mining`.

    Args:
        top_k: Number of neighbors that each branch selects. 1 in AimCLR.
        neighbors: Which branches select them: ``"all"``, or ``"others"`` for only the students.
        reduction_over_positives: ``"mean"`` (released code) or ``"sum"`` (AimCLR's eq. 9) over a clip's positives.
        reduction: Reduction over the clips: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        ``query_logits`` ``(n, 1 + k)`` and ``student_logits``, each ``(n, 1 + k)``, to a scalar; ``(n,)`` for
        ``reduction="none"``.

    Raises:
        TypeError: ``top_k`` is not an integer.
        ValueError: ``top_k`` is below 1, or an unknown reduction or choice of neighbors.

    Example:
        >>> query, extreme, dropped = torch.randn(3, 4, 33)
        >>> NearestNeighborLoss(top_k=1)(query, [extreme, dropped]).shape
        torch.Size([])
    """

    def __init__(
        self,
        *,
        top_k: int = 1,
        neighbors: Neighbors = "all",
        reduction_over_positives: PositivesReduction = "mean",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_integer(top_k, name="top_k")
        check_choice(neighbors, get_args(Neighbors), name="neighbors")
        check_reductions(reduction_over_positives, reduction)
        self.top_k = top_k
        self.neighbors: Neighbors = neighbors
        self.reduction_over_positives: PositivesReduction = reduction_over_positives
        self.reduction: Reduction = reduction

    def forward(
        self, query_logits: Tensor, student_logits: Sequence[Tensor], *, exclude: Tensor | None = None
    ) -> Tensor:
        """The loss. The students select the neighbors; with ``neighbors="all"`` the query does too."""
        return nearest_neighbor_mining(
            query_logits,
            student_logits,
            top_k=self.top_k,
            neighbors=self.neighbors,
            exclude=exclude,
            reduction_over_positives=self.reduction_over_positives,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        """The settings, for ``repr``."""
        return (
            f"top_k={self.top_k}, neighbors={self.neighbors!r}, "
            f"reduction_over_positives={self.reduction_over_positives!r}, reduction={self.reduction!r}"
        )
