"""Classification by nearest neighbors on unchanged features.

Axes: n queries, k bank rows, d features, c classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias, TypedDict, get_args, overload

import torch
from torch import Tensor
from typing_extensions import Unpack

from skelblocks._utils.checks import check_choice, check_integer, check_integers, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.contrast.unit_rows import unit_rows
from skelblocks.evaluation.accuracy import check_class_numbers, check_features, check_labels

Weighting: TypeAlias = Literal["exponential", "uniform"]
WEIGHTINGS: tuple[Weighting, ...] = get_args(Weighting)


class Voting(TypedDict, total=False):
    """How neighbors vote: the options that :func:`knn_scores`, :func:`knn_predict` and :func:`knn_accuracy` share.

    Attributes:
        temperature: Divides the cosine in the exponential weights. Default: 0.1, as in both codes.
        weights: ``"exponential"``, or ``"uniform"`` for one vote each; of classes with equally many votes, the one with
            the lower number. Default: ``"exponential"``.
        chunk_size: Queries at a time; memory is ``chunk_size * k`` numbers. Default: 1024.
    """

    temperature: float
    weights: Weighting
    chunk_size: int


@explain_arguments
@torch.no_grad()
def knn_scores(
    query: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: Sequence[int],
    num_classes: int | None = None,
    temperature: float = 0.1,
    weights: Weighting = "exponential",
    chunk_size: int = 1024,
) -> dict[int, Tensor]:
    r"""Count the votes of the most similar bank rows for each class, for one or several numbers of neighbors.

    .. math:: p_{nc} = \frac{\sum_{j \in N_k(n)} w_{nj} [y_j = c]}{\sum_{j \in N_k(n)} w_{nj}}, \qquad
        w_{nj} = e^{s_{nj} / \tau}

    with the cosine :math:`s`. A class without a neighbor has 0, and every other class more.
    :func:`~skelblocks.evaluation.accuracy` ranks only classes with votes.

    Args:
        query: Features to classify, ``(n, d)``; their length does not matter.
        bank: Features of known class, ``(k, d)``.
        labels: Their classes, ``(k,)``, integers from 0.
        k: Numbers of neighbors that vote.
        num_classes: Default: one more than the highest label.
        temperature: Divides the cosine in the exponential weights; 0.1 in the code of SkeleMixCLR and SkeAttnCLR.
        weights: ``"exponential"``, or ``"uniform"`` for one vote each.
        chunk_size: Queries at a time; memory is ``chunk_size * k`` numbers.

    Returns:
        For each k, ``(n, c)``; rows sum to one.

    Raises:
        TypeError: The features are not floating-point, or labels, a k or ``chunk_size`` are not integers.
        ValueError: The axes differ, features are not finite, labels are outside the classes, the bank has fewer rows
            than neighbors, or the weighting is unknown.

    Example:
        >>> bank, labels = torch.eye(3), torch.tensor([0, 0, 1])
        >>> knn_scores(torch.tensor([[0.0, 1.0, 1.0]]), bank, labels, k=[1, 2])[2]
        tensor([[0.5000, 0.5000]])
    """
    check_features(bank, "k d", name="bank")
    rows, d = bank.shape
    check_features(query, "n d", name="query", d=d)
    if num_classes is not None:
        check_integer(num_classes, name="num_classes")
    check_labels(labels, name="labels", n=rows, num_classes=num_classes)
    if num_classes is None:
        check_class_numbers(labels, name="labels")
    check_choice(weights, WEIGHTINGS, name="weights")
    check_positive(temperature, name="temperature")
    check_integer(chunk_size, name="chunk_size")
    check_integers(k, name="k")
    if max(k) > rows:
        raise ValueError(f"k: expected integers in 1..{rows}, the rows of the bank, got {list(k)}; choose smaller ones")
    device, classes = query.device, int(labels.max()) + 1 if num_classes is None else num_classes
    dtype = torch.promote_types(torch.promote_types(query.dtype, bank.dtype), torch.float32)
    labels = labels.to(device=device, dtype=torch.int64)
    bank = unit_rows(bank.to(device=device, dtype=dtype), name="bank")
    scores: dict[int, list[Tensor]] = {number: [] for number in k}
    # Autocast would turn the product into half precision, in which near neighbors are all alike.
    with torch.autocast(device.type, enabled=False):
        for chunk in torch.split(query, chunk_size):
            nearest = (unit_rows(chunk.to(dtype), name="query") @ bank.T).topk(max(k), dim=1)
            vote = _votes(nearest.values, weights, temperature)
            votes, voters = vote.new_zeros(len(chunk), classes), labels[nearest.indices]
            for j in range(max(k)):  # one voter per row at a time: no two add to the same number, whatever the device
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
    num_classes: int | None = None,
    **voting: Unpack[Voting],
) -> Tensor: ...
@overload
def knn_predict(
    query: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: Sequence[int],
    num_classes: int | None = None,
    **voting: Unpack[Voting],
) -> dict[int, Tensor]: ...
def knn_predict(
    query: Tensor,
    bank: Tensor,
    labels: Tensor,
    *,
    k: int | Sequence[int] = 20,
    num_classes: int | None = None,
    **voting: Unpack[Voting],
) -> Tensor | dict[int, Tensor]:
    """Give each query the class with the most votes among its k nearest bank rows, by cosine similarity.

    AimCLR and SkeAttnCLR report kNN accuracies without a rule or k. **The code** of SkeleMixCLR and SkeAttnCLR has this
    rule. It reports the best of k = 10, 20 and 40, and compares projected features of randomly cropped and sheared
    clips. Here you pass the features: :func:`~skelblocks.evaluation.extract_features` computes the encoder's features
    of unchanged clips. Choose k beforehand: the best of several on the test set is not a result.

    Args:
        query: Features to classify, ``(n, d)``; their length does not matter.
        bank: Features of known class, ``(k, d)``.
        labels: Their classes, ``(k,)``, integers from 0.
        k: Number of neighbors that vote, or several numbers. 20 is the middle one of the three in the released code.
        num_classes: Default: one more than the highest label.
        **voting: ``temperature``, ``weights`` and ``chunk_size``, as in :func:`knn_scores`.

    Returns:
        Classes ``(n,)``, on the device of ``query``; for several k, a dict of them.

    Raises:
        TypeError: As for :func:`knn_scores`.
        ValueError: As for :func:`knn_scores`.

    Example:
        >>> bank, labels = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), torch.tensor([0, 0, 1])
        >>> knn_predict(torch.tensor([[2.0, 0.1], [0.1, 0.5]]), bank, labels, k=1)
        tensor([0, 1])
    """
    several = k if isinstance(k, Iterable) else [k]
    scores = knn_scores(query, bank, labels, k=several, num_classes=num_classes, **voting)
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
    **voting: Unpack[Voting],
) -> float: ...
@overload
def knn_accuracy(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    k: Sequence[int],
    **voting: Unpack[Voting],
) -> dict[int, float]: ...
def knn_accuracy(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    k: int | Sequence[int] = 20,
    **voting: Unpack[Voting],
) -> float | dict[int, float]:
    """Compute the share of test features that :func:`knn_predict` classifies correctly by the training features.

    Args:
        train_features: ``(k, d)``.
        train_labels: ``(k,)``.
        test_features: ``(n, d)``.
        test_labels: ``(n,)``; a class that no training feature has is always missed.
        k: Number of neighbors that vote, or several numbers.
        **voting: ``temperature``, ``weights`` and ``chunk_size``, as in :func:`knn_scores`.

    Returns:
        A number in [0, 1]; for several k, a dict of them.

    Raises:
        TypeError: As for :func:`knn_scores`.
        ValueError: As for :func:`knn_scores`.

    Example:
        >>> knn_accuracy(torch.eye(2), torch.tensor([0, 1]), torch.tensor([[3.0, 1.0]]), torch.tensor([0]), k=1)
        1.0
    """
    check_features(train_features, "k d", name="train_features")
    check_features(test_features, "n d", name="test_features", d=train_features.shape[1])
    if test_features.data_ptr() == train_features.data_ptr() and test_features.shape == train_features.shape:
        warnings.warn(
            "test_features: expected other clips than train_features, got the same tensor, so each clip is its own "
            "nearest neighbor; split the clips, or leave each one out by nearest_neighbors(..., exclude_self=True)",
            UserWarning,
            stacklevel=3,
        )
    check_labels(train_labels, name="train_labels", n=len(train_features))
    check_labels(test_labels, name="test_labels", n=len(test_features))
    several = k if isinstance(k, Iterable) else [k]
    found = knn_predict(test_features, train_features, train_labels, k=several, **voting)
    truth = test_labels.to(test_features.device)
    shares = {number: int((classes == truth).sum()) / len(truth) for number, classes in found.items()}
    return shares if isinstance(k, Iterable) else shares[k]


def _votes(cosines: Tensor, weights: Weighting, temperature: float) -> Tensor:
    """The weight of each neighbor, above 0 for all, so that a class without a vote can be told."""
    if weights == "uniform":
        return torch.ones_like(cosines)
    # Relative to the nearest, so that no temperature is too low for the exponential.
    relative = ((cosines - cosines[:, :1]) / temperature).exp()
    return relative.clamp_min(2**24 * torch.finfo(relative.dtype).tiny)
