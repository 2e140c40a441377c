"""Top-k accuracy.

Axes: n samples, c classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_floating, check_integer


@torch.no_grad()
def accuracy(logits: Tensor, labels: Tensor, *, topk: Sequence[int] = (1, 5)) -> dict[int, float]:
    """The share of samples whose class is among the k highest scores, for each k.

    Among equal scores the class with the lower number comes first, so that constant scores earn nothing by their ties.

    Args:
        logits: Scores ``(n, c)``.
        labels: True classes ``(n,)``, integers in 0..c-1.
        topk: Each k; from c on the share is 1.

    Returns:
        A number in [0, 1] for each k.

    Raises:
        TypeError: scores that are not floating-point, labels or a k that are not integers.
        ValueError: other axes, no samples, a label outside the classes, scores that are not finite, or a k below 1.

    Example:
        >>> logits = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.4, 0.1]])
        >>> accuracy(logits, torch.tensor([1, 1]), topk=(1, 2))
        {1: 0.5, 2: 1.0}
    """
    check_axes(logits, "n c", name="logits")
    check_floating(logits, name="logits")
    n, c = logits.shape
    check_labels(labels, name="labels", n=n, num_classes=c)
    for k in topk:
        check_integer(k, name="topk")
    if not topk:
        raise ValueError("topk: expected at least one integer, got none")
    if not logits.isfinite().all():
        raise ValueError("logits: NaN or infinite scores; there is no ranking of them")
    ranking = logits.sort(dim=1, descending=True, stable=True).indices
    place = (ranking == labels.to(logits.device)[:, None]).int().argmax(dim=1)
    return {k: (place < k).double().mean().item() for k in topk}


def check_labels(labels: Tensor, *, name: str, n: int, num_classes: int | None = None) -> None:
    """Raise unless ``labels`` are n integers from 0, below ``num_classes``, and at least one."""
    check_axes(labels, "n", name=name, n=n)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"{name}: expected integers, got {labels.dtype}")
    if not n:
        raise ValueError(f"{name}: expected at least one sample, got none")
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or (num_classes is not None and high >= num_classes):
        most = "from 0" if num_classes is None else f"in 0..{num_classes - 1}"
        raise ValueError(f"{name}: expected classes {most}, got {low}..{high}")
