"""Features as points in the plane, by t-SNE, UMAP or principal components.

Axes: n samples, d features.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.optional import require
from skelblocks._utils.unit_vectors import as_float64, unit_vectors

Method: TypeAlias = Literal["tsne", "umap", "pca"]
METHODS: tuple[Method, ...] = get_args(Method)


class PlanePoints(NamedTuple):
    """Points ``(n, 2)``; of principal components also the share of the variance along each axis."""

    points: NDArray[np.float64]
    shares: NDArray[np.float64] | None


def plane_points(
    features: NDArray[Any], *, method: Method, perplexity: float = 30.0, neighbors: int = 15, seed: int = 0
) -> PlanePoints:
    """Place features ``(n, d)``, at least three, in the plane, after scaling them to unit length.

    Args:
        features: Finite numbers.
        method: ``"tsne"``, ``"umap"`` or ``"pca"``.
        perplexity: About how many neighbors t-SNE considers. At most a third of n is used, because t-SNE needs that.
        neighbors: Number of neighbors that UMAP considers, less than n.
        seed: For t-SNE and UMAP.

    Example:
        >>> plane_points(np.eye(4), method="pca").points.shape
        (4, 2)
    """
    unit, varied = _unit(features)
    if method == "pca":
        return PlanePoints(*_principal_components(unit, varied))
    if method == "tsne":
        return PlanePoints(_tsne(unit, varied, perplexity=perplexity, seed=seed), None)
    return PlanePoints(_umap(unit, neighbors, seed), None)


def _unit(x: NDArray[Any]) -> tuple[NDArray[np.float64], bool]:
    """Features of length one, and whether they differ by more than the rounding of the dtype they came in."""
    unit = unit_vectors(as_float64(x))
    rounding = 4 * np.finfo(x.dtype if x.dtype.kind == "f" else np.float64).eps
    return unit, bool(np.ptp(unit, axis=0).max() > rounding)


def _tsne(unit: NDArray[np.float64], varied: bool, *, perplexity: float, seed: int) -> NDArray[np.float64]:
    # Of features that are all alike, principal components would be NaN as first places, with which t-SNE crashes.
    points: NDArray[np.float64] = (
        require("sklearn.manifold", extra="eval")
        .TSNE(
            perplexity=min(perplexity, (len(unit) - 1) / 3), init="pca" if varied else "random", random_state=int(seed)
        )
        .fit_transform(unit)
    )
    return points


def _umap(x: NDArray[np.float64], neighbors: int, seed: int) -> NDArray[np.float64]:
    umap = require("umap", extra="umap")
    reducer = umap.UMAP(
        n_neighbors=min(neighbors, len(x) - 1),
        init="spectral" if len(x) > 10 else "random",  # the former's eigenvectors are too many for few samples
        random_state=seed,
        n_jobs=1,  # what a seed implies
    )
    points: NDArray[np.float64] = reducer.fit_transform(x)
    return points


def _principal_components(x: NDArray[np.float64], varied: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates along the two directions of most variance ``(n, 2)``, and the share of each."""
    points, share = np.zeros((len(x), 2)), np.zeros(2)
    if not varied:
        return points, share
    left, scale, right = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    # The sign of a direction is arbitrary: its largest weight is positive, so that the same data give the same picture.
    sign = np.sign(np.take_along_axis(right, np.abs(right).argmax(axis=1)[:, None], axis=1))[:, 0]
    count = min(2, len(scale))
    points[:, :count] = (left * scale * sign)[:, :count]
    share[:count] = (scale**2)[:count] / float((scale**2).sum())
    return points, share
