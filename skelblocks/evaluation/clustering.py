"""Compare clusters of features with the classes: the structure that an encoder finds without labels.

Axes: n samples, d features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.checks import check_integer, check_integers
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.optional import require
from skelblocks._utils.unit_vectors import as_float64, unit_vectors
from skelblocks.evaluation.accuracy import check_features, check_labels


class ClusterScores(NamedTuple):
    """Agreement of clusters with classes, each the mean over the seeds.

    Attributes:
        nmi: Normalized mutual information in [0, 1].
        adjusted_rand: Adjusted Rand index, at most 1; 0 for clusters at random.
        accuracy: Share of the samples in the cluster that is assigned to their class.
        runs: ``(nmi, adjusted_rand, accuracy)`` of each seed, for the spread.
    """

    nmi: float
    adjusted_rand: float
    accuracy: float
    runs: tuple[tuple[float, float, float], ...]


@explain_arguments
@torch.no_grad()
def cluster_scores(
    features: Tensor,
    labels: Tensor,
    *,
    num_clusters: int | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    normalize: bool = True,
) -> ClusterScores:
    r"""Cluster the features by k-means and compare the clusters with the classes.

    .. math:: \text{accuracy} = \frac{1}{n} \max_\pi \sum_c |\{i : y_i = c, \text{cluster}_i = \pi(c)\}|

    over all one-to-one assignments :math:`\pi` of clusters to classes; the mutual information is divided by the
    arithmetic mean of the two entropies. No paper of the methods here reports clustering; these are the usual measures.
    k-means finds another local optimum from every start, so the result is the mean over several seeds, not the best of
    them.

    Args:
        features: ``(n, d)``, see :func:`~skelblocks.evaluation.extract_features`.
        labels: ``(n,)``, integers from 0. The clustering does not use them.
        num_clusters: Default: the number of classes that occur in ``labels``. With fewer, whole classes count as wrong
            in the accuracy; with more, whole clusters do.
        seeds: One k-means run for each seed, from k-means++ starts. The global generators are not used.
        normalize: Whether to scale features to unit length first, because the losses and kNN compare angles.

    Returns:
        The :class:`ClusterScores`.

    Raises:
        ImportError: Scikit-learn is missing.
        TypeError: Features are not floating-point, or labels or seeds are not integers.
        ValueError: Wrong axes, features that are not finite, no seeds, or more clusters than samples.

    Example:
        >>> features = torch.eye(3).repeat_interleave(5, dim=0) + 0.01 * torch.arange(15)[:, None] / 15
        >>> scores = cluster_scores(features, torch.arange(3).repeat_interleave(5), seeds=(0, 1, 2, 3))
        >>> scores.accuracy, len(scores.runs)
        (1.0, 4)
    """
    check_features(features, "n d", name="features")
    check_labels(labels, name="labels", n=len(features))
    check_integers(seeds, name="seeds", least=0)
    if max(seeds) >= 2**32:
        raise ValueError(f"seeds: expected integers below 2**32, which scikit-learn takes, got {max(seeds)}")
    classes, truth = np.unique(labels.cpu().numpy(), return_inverse=True)
    clusters = len(classes) if num_clusters is None else num_clusters
    check_integer(clusters, name="num_clusters")
    if clusters > len(features):
        raise ValueError(
            f"num_clusters: expected at most {len(features)}, the number of samples, got {clusters}; pass fewer"
        )
    kmeans = require("sklearn.cluster", extra="eval").KMeans
    metrics = require("sklearn.metrics", extra="eval")

    points = as_float64(features)
    if normalize:
        points = unit_vectors(points)
    runs = []
    for seed in seeds:
        found = kmeans(n_clusters=clusters, n_init=1, random_state=int(seed)).fit_predict(points)
        runs.append(
            (
                float(metrics.normalized_mutual_info_score(truth, found)),
                float(metrics.adjusted_rand_score(truth, found)),
                _assigned_share(truth, found),
            )
        )
    nmi, rand, share = np.mean(runs, axis=0).tolist()
    return ClusterScores(nmi, rand, share, tuple(runs))


def _assigned_share(truth: NDArray[Any], found: NDArray[Any]) -> float:
    """The share of samples on the best one-to-one assignment of clusters to classes."""
    assign = require("scipy.optimize", extra="eval").linear_sum_assignment
    counts = np.zeros((truth.max() + 1, found.max() + 1), dtype=np.int64)
    np.add.at(counts, (truth, found), 1)
    return float(counts[assign(counts, maximize=True)].sum() / len(truth))
