"""Turn scores of a classifier into probabilities: find the temperature that fits known labels best.

Axes: n samples, c classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.checks import check_axes, check_floating
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.evaluation.accuracy import check_labels

_LEAST, _MOST, _STEPS = 1e-3, 1e3, 241
_FINER = 41


@explain_arguments
@torch.no_grad()
def softmax_temperature(scores: Tensor, labels: Tensor) -> float:
    """Find the temperature for which the softmax of the scores makes the labels most likely.

    ``softmax(scores / temperature)`` then says how sure a classifier is, while the order of the classes stays as it is.
    The scores must come from clips that the classifier was not fitted to: it is overconfident on its own training
    clips. This is temperature scaling (Guo et al., ICML 2017). A ridge classifier needs it, because its scores lie near
    -1 and 1.

    Args:
        scores: ``(n, c)``.
        labels: ``(n,)``, integers from 0.

    Returns:
        A number between 0.001 and 1000.

    Raises:
        TypeError: If the scores are not floating-point, or labels not integers.
        ValueError: For wrong axes, scores that are not finite, or labels outside the classes.

    Example:
        >>> scores = torch.tensor([[1.0, -1.0], [1.0, -1.0], [1.0, -1.0], [1.0, -1.0]])
        >>> temperature = softmax_temperature(scores, torch.tensor([0, 0, 0, 1]))
        >>> round(float((scores[0] / temperature).softmax(dim=0)[0]), 2)  # three of four are right
        0.75
    """
    check_axes(scores, "n c", name="scores")
    check_floating(scores, name="scores")
    if not bool(scores.isfinite().all()):
        raise ValueError("scores: expected finite numbers, got NaN or infinite ones; look at the features")
    check_labels(labels, name="labels", n=len(scores), num_classes=scores.shape[1])
    x, y = scores.double().cpu(), labels.long().cpu()
    low, high, steps = math.log10(_LEAST), math.log10(_MOST), _STEPS
    for _ in range(3):
        tried = torch.logspace(low, high, steps, dtype=torch.float64)
        losses = torch.stack([F.cross_entropy(x / temperature, y) for temperature in tried])
        best, gap = math.log10(float(tried[losses.argmin()])), (high - low) / (steps - 1)
        low, high, steps = max(best - gap, math.log10(_LEAST)), min(best + gap, math.log10(_MOST)), _FINER
    return float(10**best)
