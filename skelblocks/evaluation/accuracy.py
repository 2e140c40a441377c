"""Top-k accuracy.

Axes: n samples, c classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_floating, check_integers
from skelblocks._utils.explain_arguments import explain_arguments

_USUAL = (1, 5)
_MANY = 10_000  # classes


@explain_arguments
@torch.no_grad()
def accuracy(
    logits: Tensor, labels: Tensor, *, topk: Sequence[int] | None = None, votes: bool | None = None
) -> dict[int, float]:
    """Compute the fraction of samples whose class is among the k highest scores, for each k.

    Among equal scores the class with the lower number comes first, so ties do not help constant scores. A class without
    votes is not ranked at all: the top 5 of one nearest neighbor is one class.

    Args:
        logits: Scores ``(n, c)``.
        labels: True classes ``(n,)``, integers in 0..c-1.
        topk: The values of k, at most c. Default: 1 and 5, or 1 alone with fewer than five classes.
        votes: Whether the scores are votes or probabilities, in which a class with 0 is not ranked. Default: yes if no
            score is negative and all rows have the same sum, which is true of
            :func:`~skelblocks.evaluation.knn_scores` and of a softmax, also after fusion.

    Returns:
        A number in [0, 1] for each k.

    Raises:
        TypeError: The scores are not floating-point, or the labels or a k are not integers.
        ValueError: The axes differ, there are no samples, a label is outside the classes, a score is not finite, a k
            is not in 1..c, or a vote is negative.

    Example:
        >>> logits = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.4, 0.1]])
        >>> accuracy(logits, torch.tensor([1, 1]), topk=(1, 2))
        {1: 0.5, 2: 1.0}
        >>> accuracy(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([1]), topk=(2,))  # one voter, for class 0
        {2: 0.0}
    """
    check_axes(logits, "n c", name="logits")
    check_floating(logits, name="logits")
    n, c = logits.shape
    check_labels(labels, name="labels", n=n, num_classes=c)
    topk = [k for k in _USUAL if k == 1 or k <= c] if topk is None else topk
    check_integers(topk, name="topk")
    if max(topk) > c:
        raise ValueError(
            f"topk: expected integers in 1..{c}, the number of classes, got {max(topk)}, for which any scores are "
            "right; leave it out"
        )
    if not logits.isfinite().all():
        raise ValueError("logits: expected finite scores, got NaN or infinity; find out where they come from")
    if votes and (logits < 0).any():
        raise ValueError("logits: expected no negative score with votes=True, got one; pass votes=False")
    truth = labels.to(device=logits.device, dtype=torch.int64)[:, None]
    ranking = logits.sort(dim=1, descending=True, stable=True).indices
    place = (ranking == truth).int().argmax(dim=1)
    if are_votes(logits) if votes is None else votes:
        place = place.masked_fill(logits.gather(1, truth)[:, 0] == 0, max(c, *topk))
    # Integer counts, because not every device has float64.
    return {k: int((place < k).sum()) / n for k in topk}


def are_votes(scores: Tensor) -> bool:
    """Whether no score is negative and all rows have the same sum, up to rounding, which is not zero."""
    if (scores < 0).any() or not scores.shape[1]:
        return False
    # Of scaled scores, as a sum of large ones may overflow.
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    sums = (wide / wide.max().clamp_min(torch.finfo(wide.dtype).tiny)).sum(dim=1)
    rounding = 2 * torch.finfo(scores.dtype).eps * scores.shape[1] ** 0.5 * sums.max()
    return bool(sums.min() > 0) and bool(sums.max() - sums.min() <= rounding)


def check_labels(labels: Tensor, *, name: str, n: int, num_classes: int | None = None) -> None:
    """Raise unless ``labels`` are n integers from 0, below ``num_classes``, and at least one."""
    check_axes(labels, "n", name=name, n=n)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"{name}: expected integers, got {labels.dtype}; convert them with {name}.long()")
    if not n:
        raise ValueError(f"{name}: expected at least one sample, got none")
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or (num_classes is not None and high >= num_classes):
        remedy = "leave out samples without a label" if low < 0 else "raise num_classes, or number the classes from 0"
        most = "from 0" if num_classes is None else f"in 0..{num_classes - 1}"
        raise ValueError(f"{name}: expected classes {most}, got {low}..{high}; {remedy}")


def check_class_numbers(labels: Tensor, *, name: str) -> None:
    """Raise if labels cannot be class numbers, because they are far larger than the number of samples.

    Example:
        >>> check_class_numbers(torch.tensor([20180412, 20180413]), name="labels")
        Traceback (most recent call last):
        ...
        ValueError: labels: expected the numbers of classes, from 0, got 20180413 for 2 samples, and memory is needed
        for each class; number the classes with labels.unique(return_inverse=True)[1], or pass num_classes
    """
    high = int(labels.max())
    if high >= max(_MANY, len(labels)):
        raise ValueError(
            f"{name}: expected the numbers of classes, from 0, got {high} for {len(labels)} samples, and memory is "
            f"needed for each class; number the classes with {name}.unique(return_inverse=True)[1], or pass num_classes"
        )


def check_features(features: Tensor, axes: str, *, name: str, **sizes: int) -> None:
    """Raise unless ``features`` are finite floating-point numbers with the named axes."""
    check_axes(features, axes, name=name, **sizes)
    check_floating(features, name=name)
    if not features.isfinite().all():
        raise ValueError(
            f"{name}: expected finite numbers, got NaN or infinite ones; look for them in the clips or the encoder"
        )
