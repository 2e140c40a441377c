"""Measures of how features are spread, without labels: alignment, uniformity, effective rank.

Axes: n samples, d features.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.checks import check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.evaluation.accuracy import check_features

_ROWS = 1024  # of the distances at once


@explain_arguments
def alignment(features: Tensor, others: Tensor) -> float:
    """Measure how far apart two views of the same clip are: the mean squared distance of their unit vectors.

    The result is between 0, where both views have the same direction, and 4. It is the first of the two losses of Wang
    and Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere"
    (ICML 2020), with their exponent 2. Lower is better, but the result is also lowest if all clips have the same
    feature.

    Args:
        features: Features of one view ``(n, d)``.
        others: Features of another view of the same clips, in the same order ``(n, d)``.

    Returns:
        The mean over clips.

    Raises:
        TypeError: Features are not floating-point.
        ValueError: Wrong axes, or features that are not finite.

    Example:
        >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
        2.0
    """
    check_features(features, "n d", name="features")
    check_features(others, "n d", name="others", n=features.shape[0], d=features.shape[1])
    return float((_unit(features) - _unit(others)).square().sum(dim=1).mean())


@explain_arguments
def uniformity(features: Tensor, *, sharpness: float = 2.0) -> float:
    """Measure how evenly clips lie on the sphere: the logarithm of the mean Gaussian potential of all pairs.

    The result is at most 0, its value if all clips have the same direction. Lower is better. It is the second loss of
    Wang and Isola (ICML 2020). The sum of :func:`alignment` and uniformity compares encoders without labels: clips can
    be told apart if their features are spread evenly and the views of one clip are close together.

    Args:
        features: ``(n, d)``, of at least two clips.
        sharpness: Sharpness of the potential, ``t`` in the paper, which uses 2.

    Returns:
        The logarithm of the mean of ``exp(-sharpness * squared distance)`` over pairs of different clips.

    Raises:
        TypeError: Features are not floating-point.
        ValueError: Wrong axes, fewer than two clips, features that are not finite, or a sharpness that is not above 0.

    Example:
        >>> uniformity(torch.tensor([[1.0, 0.0], [3.0, 0.0]]))
        0.0
        >>> round(uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), 6)
        -8.0
    """
    check_positive(sharpness, name="sharpness")
    unit = _unit(_several(features))
    n = unit.shape[0]
    total = unit.new_zeros(())
    for rows in torch.split(unit, _ROWS):
        total = total + (sharpness * (2 * (rows @ unit.T) - 2)).clamp(max=0).exp().sum()
    # Each clip's pair with itself adds exp(0); rounding must not leave nothing.
    return float(((total - n) / (n * (n - 1))).clamp(min=torch.finfo(unit.dtype).tiny).log())


@explain_arguments
def effective_rank(features: Tensor) -> float:
    """Measure how many directions the features use: the exponential of the entropy of their singular values.

    The result is between 1, for features on a line, and ``min(n - 1, d)``. The mean is removed first. It is Roy and
    Vetterli's measure (EUSIPCO 2007), which Garrido et al. use as RankMe (ICML 2023) to compare encoders without
    labels.

    Args:
        features: ``(n, d)``, of at least two clips.

    Returns:
        The effective rank; 0 for features that are all equal.

    Raises:
        TypeError: Features are not floating-point.
        ValueError: Wrong axes, fewer than two clips, or features that are not finite.

    Example:
        >>> round(effective_rank(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 6)
        2.0
    """
    x = _several(features).detach().double()
    x = x - x.mean(dim=0)
    values = torch.linalg.svdvals(x)
    values = values[values > values.max() * max(x.shape) * torch.finfo(torch.float64).eps]
    if not len(values):
        return 0.0
    share = values / values.sum()
    return float(torch.exp(-(share * share.log()).sum()))


def _several(features: Tensor) -> Tensor:
    check_features(features, "n d", name="features")
    if len(features) < 2:
        raise ValueError(f"features: expected features of at least two clips, got {len(features)}; pass more clips")
    return features


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features.detach().double(), dim=1)
