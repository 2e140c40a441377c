"""Retrieval: which clips of a bank are most like a query, and how many of them do the same.

Axes: n queries, k bank rows, d features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_floating, check_integer
from skelblocks.evaluation.accuracy import check_labels


class RetrievalScores(NamedTuple):
    """How well features retrieve clips of the query's class.

    Attributes:
        recall: For each number of neighbours, the share of queries with at least one of their class among them.
        mean_average_precision: Over the whole ranking, in (0, 1].
    """

    recall: dict[int, float]
    mean_average_precision: float


@torch.no_grad()
def nearest_neighbors(
    query: Tensor, bank: Tensor, *, k: int, exclude_self: bool = False, chunk_size: int = 1024
) -> tuple[Tensor, Tensor]:
    """The k bank rows of the largest cosine with each query, nearest first, and the cosines.

    Of equal cosines the lower row comes first. They are multiples of 2 ** -24, the step of float32 just below 1, or of
    2 ** -40 where an argument is float64, rounded from products in double precision. So copies of a row have equal
    cosines, wherever they are in the bank, and every device finds the same neighbours; an error of the product's last
    digits moves a cosine to another multiple too seldom to matter.

    Args:
        query: Features ``(n, d)``; their length does not matter, and a zero feature has the cosine 0 with all.
        bank: Features ``(k, d)``.
        k: How many neighbours.
        exclude_self: Whether ``query`` is the bank, and row i is no neighbour of query i.
        chunk_size: Queries at a time; memory is a few times ``chunk_size`` times the rows of the bank.

    Returns:
        Cosines and row numbers, both ``(n, k)`` on the device of ``query``; the cosines in the wider dtype of the two
        arguments, in float32 at least, also under autocast.

    Raises:
        TypeError: features that are not floating-point, a ``k`` or ``chunk_size`` that is no integer.
        ValueError: other axes, features that are not finite, fewer bank rows than neighbours, or, with
            ``exclude_self``, a bank of another length than ``query``.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
        >>> nearest_neighbors(torch.tensor([[3.0, 0.0]]), bank, k=2)
        (tensor([[1., 1.]]), tensor([[0, 2]]))
    """
    rows = _check_features(query, bank, exclude_self=exclude_self)
    check_integer(chunk_size, name="chunk_size")
    check_integer(k, name="k")
    if k > rows:
        raise ValueError(f"k: expected an integer in 1..{rows}, the rows of the bank to choose from, got {k}")
    cosines, indices = [], []
    unit = F.normalize(bank.to(query.device, torch.float64), dim=1)
    dtype = torch.promote_types(torch.promote_types(query.dtype, bank.dtype), torch.float32)
    for start in range(0, len(query), chunk_size):
        similarity = _cosines(query[start : start + chunk_size], unit, dtype, start if exclude_self else None)
        # torch.topk leaves open which of equal values it takes: only the value of the last neighbour is taken from it.
        least = similarity.topk(k, dim=1).values[:, -1:]
        above, equal = similarity > least, similarity == least
        spare = k - above.sum(dim=1, keepdim=True)
        chosen = above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= spare))
        index = chosen.nonzero()[:, 1].view(len(similarity), k)
        nearest = similarity.gather(1, index).sort(dim=1, descending=True, stable=True)
        cosines.append(nearest.values)
        indices.append(index.gather(1, nearest.indices))
    return torch.cat(cosines), torch.cat(indices)


@torch.no_grad()
def retrieval_scores(
    query: Tensor,
    query_labels: Tensor,
    bank: Tensor,
    bank_labels: Tensor,
    *,
    topk: Sequence[int] = (1, 5, 10),
    exclude_self: bool = False,
    chunk_size: int = 256,
) -> RetrievalScores:
    r"""Recall among the nearest rows, and mean average precision, where a row of the query's class is a hit.

    .. math:: \text{mAP} = \frac{1}{n} \sum_i \frac{1}{R_i} \sum_{r=1}^{k} [r \text{ is a hit}] \,
        \frac{\text{hits among the first } r}{r}

    with :math:`R_i` hits of query i in all and the bank ranked by cosine as in :func:`nearest_neighbors`. None of the
    papers of this package reports retrieval: these are the usual definitions of the field of retrieval.

    Args:
        query: Features ``(n, d)``.
        query_labels: Their classes ``(n,)``, integers from 0.
        bank: Features ``(k, d)``.
        bank_labels: Their classes ``(k,)``.
        topk: The numbers of neighbours for the recall.
        exclude_self: Whether ``query`` is the bank, and row i is not ranked for query i.
        chunk_size: Queries at a time; memory is about 40 bytes times ``chunk_size`` times the rows of the bank.

    Returns:
        The :class:`RetrievalScores`.

    Raises:
        TypeError: features that are not floating-point, labels that are not integers.
        ValueError: other axes, features that are not finite, no query, more neighbours than rows, a query whose class
            is not in the bank, or, with ``exclude_self``, a bank of another length or with other labels.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> retrieval_scores(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), bank, torch.tensor([0, 1, 0]), topk=(1, 2))
        RetrievalScores(recall={1: 0.0, 2: 1.0}, mean_average_precision=0.5)
    """
    rows = _check_features(query, bank, exclude_self=exclude_self)
    check_labels(query_labels, name="query_labels", n=len(query))
    check_labels(bank_labels, name="bank_labels", n=len(bank))
    check_integer(chunk_size, name="chunk_size")
    for number in topk:
        check_integer(number, name="topk")
    if not topk or max(topk) > rows:
        raise ValueError(f"topk: expected integers in 1..{rows}, the rows of the bank to choose from, got {list(topk)}")
    device = query.device
    query_labels, bank_labels = (y.to(device=device, dtype=torch.int64) for y in (query_labels, bank_labels))
    if exclude_self and not query_labels.equal(bank_labels):
        raise ValueError(
            "bank_labels: expected those of the queries, since exclude_self says that the two are the same"
        )
    classes, counts = torch.unique(bank_labels, return_counts=True)
    lacking = torch.unique(query_labels[~torch.isin(query_labels, classes[counts > int(exclude_self)])]).tolist()
    if lacking:
        raise ValueError(
            f"query_labels: {len(lacking)} classes, {lacking[:5]} first, have no row in the bank to find, so that they "
            "have no average precision; leave their queries out"
        )
    places, precisions = [], []
    unit = F.normalize(bank.to(device, torch.float64), dim=1)
    dtype = torch.promote_types(torch.promote_types(query.dtype, bank.dtype), torch.float32)
    rank = torch.arange(1, rows + 1, device=device)
    for start in range(0, len(query), chunk_size):
        similarity = _cosines(query[start : start + chunk_size], unit, dtype, start if exclude_self else None)
        ranking = similarity.sort(dim=1, descending=True, stable=True).indices[:, :rows]  # without itself, the last
        hit = bank_labels[ranking] == query_labels[start : start + chunk_size, None]
        hits = hit.cumsum(dim=1)
        precisions.append((hits.double() / rank * hit).sum(dim=1) / hits[:, -1])
        places.append(hit.int().argmax(dim=1))
    place = torch.cat(places)
    recall = {number: (place < number).double().mean().item() for number in topk}
    return RetrievalScores(recall, torch.cat(precisions).mean().item())


def _check_features(query: Tensor, bank: Tensor, *, exclude_self: bool) -> int:
    """How many rows of the bank there are to choose from."""
    check_axes(bank, "k d", name="bank")
    check_axes(query, "n d", name="query", d=bank.shape[1])
    for name, features in (("query", query), ("bank", bank)):
        check_floating(features, name=name)
        if not features.isfinite().all():
            raise ValueError(f"{name}: NaN or infinite features; they have no neighbours")
    if not len(query):
        raise ValueError("query: expected at least one, got none")
    if exclude_self and len(query) != len(bank):
        raise ValueError(
            f"bank: expected the {len(query)} rows of query, since exclude_self says that the two are the same, "
            f"got {len(bank)}"
        )
    return len(bank) - int(exclude_self)


def _cosines(query: Tensor, unit: Tensor, dtype: torch.dtype, diagonal: int | None) -> Tensor:
    similarity = F.normalize(query.double(), dim=1) @ unit.T  # autocast leaves double precision alone
    step = 2.0**-40 if dtype == torch.float64 else 2.0**-24
    # The 0 makes a negative zero positive, which some devices sort below zero.
    similarity = similarity.div_(step).round_().mul_(step).add_(0.0).to(dtype)
    if diagonal is not None:
        similarity.diagonal(diagonal).fill_(-torch.inf)
    return similarity
