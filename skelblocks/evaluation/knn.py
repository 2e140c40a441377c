"""Classification by nearest neighbours: what the features are worth as they are.

Axes: n queries, k bank rows, d features, c classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import torch
from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_choice, check_floating, check_integer, check_positive
from skelblocks.evaluation.accuracy import check_labels

WEIGHTS = ("exponential", "uniform")


@torch.no_grad()
def knn_scores(
    query: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: Sequence[int],
    temperature: float = 0.1,
    num_classes: int | None = None,
    weights: str = "exponential",
    chunk_size: int = 1024,
) -> dict[int, Tensor]:
    r"""Votes of the most similar bank rows for each class, for one or several numbers of neighbours.

    .. math:: p_{nc} = \frac{\sum_{j \in N_k(n)} w_{nj} [y_j = c]}{\sum_{j \in N_k(n)} w_{nj}}, \qquad
        w_{nj} = e^{s_{nj} / \tau}

    with the cosine :math:`s`. See :func:`knn_predict` for the arguments; here ``k`` is always a sequence.

    Returns:
        For each k, ``(n, c)``; rows sum to one.

    Example:
        >>> bank, labels = torch.eye(3), torch.tensor([0, 0, 1])
        >>> knn_scores(torch.tensor([[0.0, 1.0, 1.0]]), bank, labels, k=[1, 2])[2]
        tensor([[0.5000, 0.5000]])
    """
    check_axes(bank, "k d", name="bank")
    rows, d = bank.shape
    check_axes(query, "n d", name="query", d=d)
    for name, features in (("query", query), ("bank", bank)):
        _check_features(features, name=name)
    check_labels(labels, name="labels", n=rows, num_classes=num_classes)
    check_choice(weights, WEIGHTS, name="weights")
    check_positive(temperature, name="temperature")
    check_integer(chunk_size, name="chunk_size")
    for number in k:
        check_integer(number, name="k")
    if not k or max(k) > rows:
        raise ValueError(f"k: expected integers in 1..{rows}, the rows of the bank, got {list(k)}")
    device, classes = query.device, num_classes or int(labels.max()) + 1
    dtype = torch.promote_types(torch.promote_types(query.dtype, bank.dtype), torch.float32)
    labels = labels.to(device=device, dtype=torch.int64)
    bank = F.normalize(bank.to(device=device, dtype=dtype), dim=1)
    scores: dict[int, list[Tensor]] = {number: [] for number in k}
    # Autocast would turn the product into half precision, in which near neighbours are all alike.
    with torch.autocast(device.type, enabled=False):
        for chunk in torch.split(query, chunk_size):
            similarity = F.normalize(chunk.to(dtype), dim=1) @ bank.T
            nearest = similarity.topk(max(k), dim=1)
            voters = labels[nearest.indices]
            vote = torch.ones_like(nearest.values)
            if weights == "exponential":
                # Relative to the nearest, so that no temperature is too low for the exponential.
                vote = ((nearest.values - nearest.values[:, :1]) / temperature).exp()
            votes = vote.new_zeros(len(chunk), classes)
            for j in range(max(k)):  # one voter a row at a time: no two add to the same number, whatever the device
                votes.scatter_add_(1, voters[:, j : j + 1], vote[:, j : j + 1])
                if j + 1 in scores:
                    scores[j + 1].append(votes / votes.sum(dim=1, keepdim=True))
    return {number: torch.cat(parts) for number, parts in scores.items()}


@overload
def knn_predict(
    query: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: int = 20,
    temperature: float = 0.1,
    num_classes: int | None = None,
    weights: str = "exponential",
    chunk_size: int = 1024,
) -> Tensor: ...
@overload
def knn_predict(
    query: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: Sequence[int],
    temperature: float = 0.1,
    num_classes: int | None = None,
    weights: str = "exponential",
    chunk_size: int = 1024,
) -> dict[int, Tensor]: ...
def knn_predict(
    query: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: int | Sequence[int] = 20,
    temperature: float = 0.1,
    num_classes: int | None = None,
    weights: str = "exponential",
    chunk_size: int = 1024,
) -> Tensor | dict[int, Tensor]:
    """Give each query the class with the most votes among its k nearest bank rows, by cosine similarity.

    AimCLR and SkeAttnCLR report kNN without its rule or k. **The code** of SkeleMixCLR and SkeAttnCLR has this rule,
    takes the best of k = 10, 20 and 40, and looks at projected features of randomly cropped and sheared clips, for the
    bank and for the queries; here the features are what you pass, and
    :func:`~skelblocks.evaluation.extract_features` gives the encoder's own, of clips as they are. Choose k beforehand:
    the best of several on the test set is not a result.

    Args:
        query: Features to classify, ``(n, d)``; their length does not matter.
        bank: Features of known class, ``(k, d)``.
        labels: Their classes, ``(k,)``, integers from 0.
        k: Neighbours that vote, or several numbers of them. 20 is the middle one of those reported.
        temperature: Divides the cosine in the exponential weights; 0.1 in both codes.
        num_classes: Default: one more than the highest label.
        weights: ``"exponential"``, or ``"uniform"`` for one vote each; of classes with equally many votes, the one with
            the lower number.
        chunk_size: Queries at a time; memory is ``chunk_size * k`` numbers.

    Returns:
        Classes ``(n,)``, on the device of ``query``; for several k, a dict of them.

    Raises:
        TypeError: features that are not floating-point, labels, ``k`` or a ``chunk_size`` that are not integers.
        ValueError: other axes, features that are not finite, labels outside the classes, fewer bank rows than
            neighbours, an unknown weighting.

    Example:
        >>> bank, labels = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), torch.tensor([0, 0, 1])
        >>> knn_predict(torch.tensor([[2.0, 0.1], [0.1, 0.5]]), bank, labels, k=1)
        tensor([0, 1])
    """
    several = list(k) if isinstance(k, Iterable) else [k]
    scores = knn_scores(
        query,
        bank,
        labels,
        k=several,
        temperature=temperature,
        num_classes=num_classes,
        weights=weights,
        chunk_size=chunk_size,
    )
    classes = {number: votes.argmax(dim=1) for number, votes in scores.items()}
    return classes if isinstance(k, Iterable) else classes[k]


@overload
def knn_accuracy(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    k: int = 20,
    temperature: float = 0.1,
    weights: str = "exponential",
    chunk_size: int = 1024,
) -> float: ...
@overload
def knn_accuracy(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    k: Sequence[int],
    temperature: float = 0.1,
    weights: str = "exponential",
    chunk_size: int = 1024,
) -> dict[int, float]: ...
def knn_accuracy(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    k: int | Sequence[int] = 20,
    temperature: float = 0.1,
    weights: str = "exponential",
    chunk_size: int = 1024,
) -> float | dict[int, float]:
    """The share of test features that :func:`knn_predict` gives their class, with the training features as the bank.

    Args:
        train_features: ``(k, d)``.
        train_labels: ``(k,)``.
        test_features: ``(n, d)``.
        test_labels: ``(n,)``; a class that no training feature has is always missed.
        k: Neighbours that vote, or several numbers of them.
        temperature: See :func:`knn_predict`.
        weights: See there.
        chunk_size: See there.

    Returns:
        A number in [0, 1]; for several k, a dict of them.

    Raises:
        TypeError: as there.
        ValueError: as there.

    Example:
        >>> knn_accuracy(torch.eye(2), torch.tensor([0, 1]), torch.tensor([[3.0, 1.0]]), torch.tensor([0]), k=1)
        1.0
    """
    check_axes(train_features, "k d", name="train_features")
    check_axes(test_features, "n d", name="test_features", d=train_features.shape[1])
    _check_features(train_features, name="train_features")
    _check_features(test_features, name="test_features")
    check_labels(train_labels, name="train_labels", n=len(train_features))
    check_labels(test_labels, name="test_labels", n=len(test_features))
    several = list(k) if isinstance(k, Iterable) else [k]
    found = knn_predict(
        test_features,
        train_features,
        train_labels,
        k=several,
        temperature=temperature,
        weights=weights,
        chunk_size=chunk_size,
    )
    truth = test_labels.to(test_features.device)
    shares = {number: (classes == truth).double().mean().item() for number, classes in found.items()}
    return shares if isinstance(k, Iterable) else shares[k]


def _check_features(features: Tensor, *, name: str) -> None:
    check_floating(features, name=name)
    if not features.isfinite().all():
        raise ValueError(f"{name}: NaN or infinite features; they have no neighbours")
