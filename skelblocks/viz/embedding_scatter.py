"""Features in the plane, by t-SNE, UMAP or principal components.

Axes: n samples, d features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.checks import check_choice, check_integer, check_positive
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.viz._style import (
    COLORS,
    INK,
    MARKERS,
    PALE,
    finished,
    new_figure,
    plain,
    title_of,
    to_array,
    to_labels,
    to_names,
)
from skelblocks.viz.plane_points import METHODS, Method, plane_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMN = 20  # legend entries under each other


@explain_arguments
def embedding_scatter(
    features: Tensor | NDArray[Any],
    labels: Tensor | NDArray[Any] | Sequence[int],
    *,
    method: Method | None = "tsne",
    class_names: Sequence[str] | None = None,
    perplexity: float = 30.0,
    neighbors: int = 15,
    seed: int = 0,
    title: str | None = None,
) -> Figure:
    """Draw every sample as a point, with the color and shape of its class.

    t-SNE, as in the figures of AimCLR and MsMCLR, and UMAP show which samples are neighbors. The sizes of clusters and
    the distances between them mean nothing. Features are scaled to unit length first, because the losses and kNN
    compare angles.

    Args:
        features: ``(n, d)``, at least three.
        labels: ``(n,)``, integers from 0.
        method: ``"tsne"``, which needs scikit-learn; ``"umap"``, which needs umap-learn (extra ``umap``); ``"pca"``; or
            None for points ``(n, 2)`` that were computed elsewhere, drawn where they are.
        class_names: One name for each class, for the legend; only classes that occur are listed. Default: their
            numbers.
        perplexity: About how many neighbors t-SNE considers. At most a third of n is used, because t-SNE needs that.
        neighbors: Number of neighbors that UMAP considers, less than n. 15 is umap-learn's own default.
        seed: Random seed of t-SNE and UMAP. The global generators are not used. Another version of either package draws
            another picture.
        title: Title above the diagram.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib, for t-SNE scikit-learn, or for UMAP umap-learn, is missing.
        TypeError: The features or labels are not numbers.
        ValueError: The axes differ, there are fewer than three samples, points are not ``(n, 2)``, a label has no name,
            there are fewer than two neighbors, a number is not finite, or the method is unknown.

    Example:
        >>> import torch
        >>> figure = embedding_scatter(torch.randn(30, 16), torch.arange(30) % 3, method="pca")
        >>> len(figure.axes[0].collections)
        3
    """
    check_choice(method, (*METHODS, None), name="method")
    check_positive(perplexity, name="perplexity")
    check_integer(neighbors, name="neighbors", least=2)
    check_integer(seed, name="seed", least=0)
    x = to_array(features, name="features", drawn=method is None)
    if x.ndim != 2 or len(x) < 3 or not x.shape[1]:
        raise ValueError(f"features: expected (n, d) with n >= 3, got shape {x.shape}")
    y = to_labels(labels, name="labels", n=len(x))
    names = to_names(class_names, int(y.max()) + 1, exact=False)
    if method is None and x.shape[1] != 2:
        raise ValueError(f"features: expected points (n, 2) with method=None, got shape {x.shape}; name a method")
    axis_names = ("", "")
    if method is None:
        points = x.astype(np.float64)
    else:
        points, share = plane_points(x, method=method, perplexity=perplexity, neighbors=neighbors, seed=seed)
        if share is not None:
            axis_names = (
                f"component 1 ({share[0]:.0%} of the variance)",
                f"component 2 ({share[1]:.0%} of the variance)",
            )
    figure, axes = _scatter(points, y, names)
    if method in ("tsne", "umap"):  # their coordinates mean nothing
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_facecolor(PALE)
    axes.set_xlabel(axis_names[0], color=INK)
    axes.set_ylabel(axis_names[1], color=INK)
    if title:
        axes.set_title(title_of(title), color=INK, fontsize=12, pad=10)
    return finished(figure)


def _scatter(points: NDArray[np.float64], y: NDArray[np.int64], names: Sequence[str]) -> tuple[Figure, Any]:
    """The points of each class in its color and shape, with a legend."""
    classes = np.unique(y).tolist()
    columns = -(-len(classes) // _COLUMN)
    figure = new_figure(width=5.6 + 1.6 * columns, height=5.0)
    axes = figure.add_subplot()
    size = float(np.clip(8000 / len(points), 8, 40))
    entries = []
    for i, label in enumerate(classes):
        across, up = points[y == label].T
        marker = MARKERS[(i + i // len(COLORS)) % len(MARKERS)]  # neighbors in color differ in shape
        dots = axes.scatter(
            across,
            up,
            s=size * (1.9 if marker == "*" else 1.0),  # a star fills less of its square
            color=COLORS[i % len(COLORS)],
            marker=marker,
            alpha=0.85,
            edgecolors="white",
            linewidths=0.3,
            label=names[label],
        )
        entries.append(dots)
    plain(axes)
    figure.legend(  # with its entries: of itself it leaves out names that begin with an underscore
        entries,
        [names[label] for label in classes],
        loc="outside right center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handletextpad=0.2,
        markerscale=max(1.0, (32 / size) ** 0.5),
    )
    return figure, axes
