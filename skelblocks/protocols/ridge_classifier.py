"""A ridge classifier whose layer gives probabilities, with its constant chosen over groups if there are several."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks.evaluation.ridge_probe import RidgeProbeResult, ridge_probe


def ridge_classifier(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    groups: NDArray[Any] | None,
    num_classes: int,
) -> RidgeProbeResult:
    """Fit :func:`~skelblocks.evaluation.ridge_probe`, and divide the layer by its temperature.

    Args:
        train: Features ``(n, d)`` and labels ``(n,)`` to fit on.
        test: Features and labels to score.
        groups: As from :func:`several_groups`.
        num_classes: Number of classes.

    Returns:
        The result of the probe. The softmax of its ``head`` gives probabilities; ``logits`` are as they were.

    Example:
        >>> features, labels = torch.eye(6), torch.arange(6) % 2
        >>> found = ridge_classifier((features, labels), (features, labels), groups=None, num_classes=2)
        >>> found.head(features).allclose(found.logits / found.temperature, atol=1e-5)
        True
    """
    found = ridge_probe(*train, *test, groups=groups, num_classes=num_classes)
    with torch.no_grad():
        found.head.weight.div_(found.temperature)
        found.head.bias.div_(found.temperature)
    return found


def several_groups(groups: NDArray[Any] | None) -> NDArray[Any] | None:
    """The groups of clips, or None if there are fewer than two, which cannot be held out.

    Example:
        >>> several_groups(np.array([1, 1])) is None, several_groups(np.array([1, 2]))
        (True, array([1, 2]))
    """
    return groups if groups is not None and len(np.unique(groups)) > 1 else None
