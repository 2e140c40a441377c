"""Features in the plane, by t-SNE, UMAP or principal components.

Axes: n samples, d features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.checks import check_choice, check_integer
from skelblocks._utils.optional import require
from skelblocks.viz._style import COLORS, INK, MARKERS, PALE, as_written, new_figure, plain, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMN = 20  # legend entries under each other


def embedding_scatter(
    features: Tensor | NDArray[Any],
    labels: Tensor | NDArray[Any] | Sequence[int],
    *,
    method: str | None = "tsne",
    class_names: Sequence[str] | None = None,
    perplexity: float = 30.0,
    neighbors: int = 15,
    seed: int = 0,
    title: str | None = None,
) -> Figure:
    """Draw every sample as a point, with the colour and shape of its class.

    t-SNE, as in the figures of AimCLR and MsMCLR, shows which samples are neighbours, and so does UMAP; sizes of
    clusters and distances between them mean nothing in either. Features are scaled to unit length first, since the
    losses and kNN compare angles.

    Args:
        features: ``(n, d)``, at least three.
        labels: ``(n,)``, integers from 0.
        method: ``"tsne"``, which needs scikit-learn; ``"umap"``, which needs umap-learn (extra ``umap``); ``"pca"``; or
            None for points ``(n, 2)`` that were computed elsewhere, drawn where they are.
        class_names: A name a class, for the legend; only classes that occur are listed. Default: their numbers.
        perplexity: How many neighbours t-SNE looks at, about; at most a third of n is used, which t-SNE needs.
        neighbors: How many neighbours UMAP looks at, less than n. 15 is umap-learn's own default.
        seed: For t-SNE and UMAP; the global generators are left alone. Another version of either draws another picture.
        title: Above the diagram.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: matplotlib, for t-SNE scikit-learn, or for UMAP umap-learn, is missing.
        ValueError: other axes, fewer than three samples, points that are not ``(n, 2)``, labels without a name, fewer
            than two neighbours, NaN, an unknown method.

    Example:
        >>> import torch
        >>> figure = embedding_scatter(torch.randn(30, 16), torch.arange(30) % 3, method="pca")
        >>> len(figure.axes[0].collections)
        3
    """
    check_choice(method, ("tsne", "umap", "pca", None), name="method")
    check_integer(neighbors, name="neighbors", least=2)
    x, y = to_array(features, name="features").astype(np.float64), to_array(labels, name="labels")
    if x.ndim != 2 or len(x) < 3:
        raise ValueError(f"features: expected (n, d) with n >= 3, got shape {x.shape}")
    if method is None and x.shape[1] != 2:
        raise ValueError(f"features: expected points (n, 2) with method=None, got shape {x.shape}; name a method")
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        raise ValueError(f"labels: expected {len(x)} integers from 0, one a sample, got {y.dtype} of shape {y.shape}")
    if class_names is not None and y.max() >= len(class_names):
        raise ValueError(f"class_names: expected a name for every label, up to {y.max()}, got {len(class_names)}")
    axis_names = ["", ""]
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    if method == "tsne":
        manifold = require("sklearn.manifold", extra="eval")
        # Of features that are all alike, principal components would be NaN as first places, with which t-SNE crashes.
        varied = np.ptp(unit, axis=0).max() > 1e-9
        points = manifold.TSNE(
            perplexity=min(perplexity, (len(x) - 1) / 3), init="pca" if varied else "random", random_state=seed
        ).fit_transform(unit)
    elif method == "umap":
        points = _umap(unit, neighbors, seed)
    elif method == "pca":
        points, share = _principal_components(unit)
        axis_names = [f"component {i + 1} ({share[i]:.0%} of the variance)" for i in range(2)]
    else:
        points = x

    classes = np.unique(y)
    columns = -(-len(classes) // _COLUMN)
    figure = new_figure(width=5.6 + 1.6 * columns, height=5.0)
    axes = figure.add_subplot()
    size = float(np.clip(6000 / len(x), 6, 36))
    names, entries = list[str](), list[Any]()
    for i, label in enumerate(classes.tolist()):
        mine = points[y == label]
        dots = axes.scatter(
            mine[:, 0],
            mine[:, 1],
            s=size,
            color=COLORS[i % len(COLORS)],
            marker=MARKERS[i // len(COLORS) % len(MARKERS)],
            alpha=0.8,
            linewidths=0,
            label=str(label if class_names is None else class_names[label]),
        )
        names.append(as_written(dots.get_label()))
        entries.append(dots)
    plain(axes)
    axes.set_xlabel(axis_names[0], color=INK)
    axes.set_ylabel(axis_names[1], color=INK)
    if method in ("tsne", "umap"):  # their coordinates mean nothing
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_facecolor(PALE)
    if title:
        axes.set_title(title, color=INK, fontsize=12, pad=10)
    figure.legend(  # with its entries: of itself it leaves out names that begin with an underscore
        entries,
        names,
        loc="outside right center",
        ncols=columns,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        handletextpad=0.2,
        markerscale=max(1.0, (24 / size) ** 0.5),
    )
    return figure


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


def _principal_components(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates along the two directions of most variance ``(n, 2)``, and the share of each."""
    centred = x - x.mean(axis=0)
    left, scale, right = np.linalg.svd(centred, full_matrices=False)
    # The sign of a direction is arbitrary: its largest weight is positive, so that the same data give the same picture.
    sign = np.sign(np.take_along_axis(right, np.abs(right).argmax(axis=1)[:, None], axis=1))[:, 0]
    points = np.zeros((len(x), 2))
    share = np.zeros(2)
    count = min(2, len(scale))
    points[:, :count] = (left * scale * sign)[:, :count]
    share[:count] = (scale**2)[:count] / max(float((scale**2).sum()), 1e-300)
    return points, share
