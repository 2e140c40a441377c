"""Retrieval: the clips of a bank that are most similar to a query, and how many of them share its class.

Axes: n queries, k bank rows, d features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_integer, check_integers
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.unit_vectors import as_float64, unit_vectors
from skelblocks.contrast.unit_rows import unit_rows
from skelblocks.evaluation.accuracy import check_features, check_labels


class RetrievalScores(NamedTuple):
    """How well features retrieve clips of the query's class.

    Attributes:
        recall: For each number of neighbors, the share of queries with at least one neighbor of their class.
        mean_average_precision: Mean average precision over the whole ranking, in (0, 1].
    """

    recall: dict[int, float]
    mean_average_precision: float


@explain_arguments
@torch.no_grad()
def nearest_neighbors(
    query: Tensor, bank: Tensor, *, k: int, exclude_self: bool = False, chunk_size: int = 1024
) -> tuple[Tensor, Tensor]:
    """Find the k bank rows of the largest cosine with each query, nearest first, and the cosines.

    Of equal cosines the lower row comes first. Cosines are computed in double precision and rounded to multiples of
    ``2**-24``, the step of float32 just below 1, or of ``2**-40`` if an argument is float64. So copies of a row have
    equal cosines, wherever they are in the bank, and every device finds the same neighbors: an error in the last digits
    of a product hardly ever moves a cosine to another multiple. If the query is on CUDA, the products are computed
    there. Otherwise they are computed on the CPU, because other devices may lack double precision.

    Args:
        query: Features ``(n, d)``; their length does not matter, and a zero feature has the cosine 0 with all.
        bank: Features ``(k, d)``.
        k: Number of neighbors.
        exclude_self: Whether ``query`` is the bank itself, so that row i is not a neighbor of query i.
        chunk_size: Queries at a time; memory is a few times ``chunk_size`` times the rows of the bank.

    Returns:
        Cosines and row numbers, both ``(n, k)`` on the device of ``query``; the cosines in the wider dtype of the two
        arguments, in float32 at least, also under autocast.

    Raises:
        TypeError: Features are not floating-point, or ``k`` or ``chunk_size`` is not an integer.
        ValueError: Wrong axes, features that are not finite, fewer bank rows than neighbors, or, with
            ``exclude_self``, a bank of another length than ``query``.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
        >>> nearest_neighbors(torch.tensor([[3.0, 0.0]]), bank, k=2)
        (tensor([[1., 1.]]), tensor([[0, 2]]))
    """
    rows = _check_pair(query, bank, exclude_self=exclude_self)
    check_integer(chunk_size, name="chunk_size")
    check_integer(k, name="k")
    if k > rows:
        raise ValueError(
            f"k: expected an integer in 1..{rows}, the rows of the bank to choose from, got {k}; choose a smaller one"
        )
    cosines, indices = [], []
    for _, similarity in _chunks(query, bank, chunk_size=chunk_size, exclude_self=exclude_self):
        # torch.topk leaves open which of equal values it takes: only the value of the last neighbor is taken from it.
        least = similarity.topk(k, dim=1).values[:, -1:]
        above, equal = similarity > least, similarity == least
        spare = k - above.sum(dim=1, keepdim=True)
        chosen = above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= spare))
        index = chosen.nonzero()[:, 1].view(len(similarity), k)
        nearest = similarity.gather(1, index).sort(dim=1, descending=True, stable=True)
        cosines.append(nearest.values)
        indices.append(index.gather(1, nearest.indices))
    return torch.cat(cosines), torch.cat(indices)


@explain_arguments
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
    r"""Measure recall among the nearest rows and mean average precision, where a row of the query's class is a hit.

    .. math:: \text{mAP} = \frac{1}{n} \sum_i \frac{1}{R_i} \sum_{r=1}^{k} [r \text{ is a hit}] \,
        \frac{\text{hits among the first } r}{r}

    Here query i has :math:`R_i` hits in all, and the bank is ranked by cosine as in :func:`nearest_neighbors`. No paper
    of the methods here reports retrieval; these are the usual definitions.

    Args:
        query: Features ``(n, d)``.
        query_labels: Their classes ``(n,)``, integers from 0.
        bank: Features ``(k, d)``.
        bank_labels: Their classes ``(k,)``.
        topk: The numbers of neighbors for the recall.
        exclude_self: Whether ``query`` is the bank itself, so that row i is not ranked for query i.
        chunk_size: Queries at a time; memory is about 40 bytes times ``chunk_size`` times the rows of the bank.

    Returns:
        The :class:`RetrievalScores`.

    Raises:
        TypeError: Features that are not floating-point, labels that are not integers.
        ValueError: Wrong axes, features that are not finite, no query, more neighbors than rows, a query whose class
            is not in the bank, or, with ``exclude_self``, a bank of another length or with other labels.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> retrieval_scores(torch.tensor([[1.0, 0.0]]), torch.tensor([1]), bank, torch.tensor([0, 1, 0]), topk=(1, 2))
        RetrievalScores(recall={1: 0.0, 2: 1.0}, mean_average_precision=0.5)
    """
    rows = _check_pair(query, bank, exclude_self=exclude_self)
    check_labels(query_labels, name="query_labels", n=len(query))
    check_labels(bank_labels, name="bank_labels", n=len(bank))
    check_integer(chunk_size, name="chunk_size")
    check_integers(topk, name="topk")
    if max(topk) > rows:
        raise ValueError(
            f"topk: expected integers in 1..{rows}, the rows of the bank to choose from, got {list(topk)}; leave "
            "larger ones out"
        )
    device = query.device
    query_labels, bank_labels = (y.to(device=device, dtype=torch.int64) for y in (query_labels, bank_labels))
    if exclude_self and not query_labels.equal(bank_labels):
        raise ValueError(
            "bank_labels: expected the queries' labels, since exclude_self says that the two sets are the same; pass "
            "the same labels twice"
        )
    classes, counts = torch.unique(bank_labels, return_counts=True)
    lacking = torch.unique(query_labels[~torch.isin(query_labels, classes[counts > int(exclude_self)])]).tolist()
    if lacking:
        raise ValueError(
            f"query_labels: {len(lacking)} classes, {lacking[:5]} first, have no row in the bank to find, so that they "
            "have no average precision; leave their queries out"
        )
    places, precisions = [], []
    for start, similarity in _chunks(query, bank, chunk_size=chunk_size, exclude_self=exclude_self):
        ranking = similarity.sort(dim=1, descending=True, stable=True).indices[:, :rows]  # without itself, the last
        hit = bank_labels[ranking] == query_labels[start : start + chunk_size, None]
        precisions.append(_average_precision(hit))
        places.append(hit.int().argmax(dim=1))
    place = torch.cat(places)
    recall = {number: int((place < number).sum()) / len(place) for number in topk}
    return RetrievalScores(recall, float(np.concatenate(precisions).mean()))


def _check_pair(query: Tensor, bank: Tensor, *, exclude_self: bool) -> int:
    """Check both sets of features; the number of rows of the bank to choose from."""
    check_axes(bank, "k d", name="bank")
    check_features(query, "n d", name="query", d=bank.shape[1])
    check_features(bank, "k d", name="bank")
    if not len(query):
        raise ValueError("query: expected at least one feature, got none")
    if exclude_self and len(query) != len(bank):
        raise ValueError(
            f"bank: expected the {len(query)} rows of query, since exclude_self says that the two are the same, "
            f"got {len(bank)}; pass the same features twice"
        )
    return len(bank) - int(exclude_self)


def _chunks(query: Tensor, bank: Tensor, *, chunk_size: int, exclude_self: bool) -> Iterator[tuple[int, Tensor]]:
    """The number of the first query of each chunk, and the chunk's cosines with the bank, ``(n, k)``."""
    dtype = torch.promote_types(torch.promote_types(query.dtype, bank.dtype), torch.float32)
    step = 2.0**-40 if dtype == torch.float64 else 2.0**-24
    product = _product_on_cuda if query.is_cuda else _product_on_cpu
    multiply = product(bank, query.device)
    for start in range(0, len(query), chunk_size):
        similarity = multiply(query[start : start + chunk_size], step).to(query.device, dtype)
        if exclude_self:
            similarity.diagonal(start).fill_(-torch.inf)
        yield start, similarity


def _product_on_cpu(bank: Tensor, _: torch.device) -> Callable[[Tensor, float], Tensor]:
    """Cosines in double precision, which few devices other than CUDA have, rounded to multiples of a step."""
    unit = unit_vectors(as_float64(bank))

    def multiply(query: Tensor, step: float) -> Tensor:
        similarity = unit_vectors(as_float64(query)) @ unit.T
        similarity /= step
        np.rint(similarity, out=similarity)
        similarity *= step
        similarity += 0.0  # makes a negative zero positive, which some devices sort below zero
        return torch.from_numpy(similarity if step == 2.0**-40 else similarity.astype(np.float32))

    return multiply


def _product_on_cuda(bank: Tensor, device: torch.device) -> Callable[[Tensor, float], Tensor]:
    """Likewise, without leaving the device."""
    unit = unit_rows(bank.to(device, torch.float64))
    # Autocast leaves double precision alone.
    return lambda query, step: (unit_rows(query.double()) @ unit.T).div_(step).round_().mul_(step).add_(0.0)


def _average_precision(hit: Tensor) -> NDArray[np.float64]:
    """The average precision of each query, from which of its ranked rows are hits, ``(n, k)``."""
    query, rank = hit.nonzero().unbind(dim=1)  # in the order of the queries, then of the ranks
    counts = hit.sum(dim=1)
    first = counts.cumsum(0) - counts
    found = torch.arange(len(query), device=hit.device) - first[query] + 1
    precision: NDArray[np.float64] = found.cpu().numpy() / (rank + 1).cpu().numpy()
    total = np.bincount(query.cpu().numpy(), weights=precision, minlength=len(hit)).astype(np.float64)
    average: NDArray[np.float64] = total / counts.cpu().numpy()
    return average
