"""The page of an explored set: a map of its animated clips, and their nearest neighbors.

Axes: n clips, d features, k neighbors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.checks import check_axes, check_choice, check_floating, check_integer
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips import ClipDataset
from skelblocks.evaluation import nearest_neighbors
from skelblocks.pages.explore_columns import (
    CLASS,
    CLUSTER,
    PREDICTED,
    Column,
    check_color,
    class_column,
    cluster_column,
    dataset_columns,
)
from skelblocks.pages.explore_scores import Scores
from skelblocks.pages.pack_motion import pack_motion
from skelblocks.pages.packed import pack_array, pack_json
from skelblocks.pages.render_page import render_page
from skelblocks.viz.plane_points import Method, plane_points

_MAPS = {"umap": "UMAP", "tsne": "t-SNE", "pca": "principal components"}
_SIDE = 65535  # steps along the longer side of a map
_CLUSTERS = 10  # where the number of classes is not known
_SCRIPTS = ("player.js", "markers.js", "scatter.js", "clip_panels.js", "selection.js", "confusion.js", "explore.js")


@explain_arguments
def explore_page(
    dataset: ClipDataset,
    features: Tensor,
    *,
    maps: Sequence[Method] = ("tsne", "pca"),
    color: str | None = None,
    neighbors: int = 5,
    seed: int = 0,
    scores: Scores | None = None,
    title: str = "Clips by their features",
    facts: Sequence[tuple[str, str]] = (),
) -> str:
    """Make a page that maps the clips of a set by an encoder's features.

    A point is a clip. It moves as a skeleton when the pointer or the arrow keys reach it. After a click, its nearest
    neighbors by :func:`~skelblocks.evaluation.nearest_neighbors` are shown beside it. Points can be colored by class,
    by each group of the set, and by cluster. Selected clips can be exported as a CSV file.

    Args:
        dataset: The clips, at least three.
        features: Features of the clips, in their order, ``(n, d)``.
        maps: Ways to the plane, the first of which is shown first: ``"umap"`` (extra ``umap``), ``"tsne"`` or
            ``"pca"``. Features are scaled to unit length before.
        color: Name of the column that colors at first. Default: the class, or the first column.
        neighbors: How many neighbors are shown; at most n - 1.
        seed: For the maps and the clusters.
        scores: Accuracies for the head of the page, whose predictions fill the confusion matrix.
        title: Title of the page.
        facts: Other facts for the head of the page: pairs of a term and a text.

    Returns:
        The HTML, for :func:`~skelblocks.pages.write_page`.

    Raises:
        ImportError: Jinja2, scikit-learn, or for UMAP umap-learn is missing.
        TypeError: Features that are not floating-point, or numbers that are not integers.
        ValueError: Other axes or lengths, fewer than three clips, an unknown map or column.

    Example:
        >>> from skelblocks.data import ArrayDataset
        >>> clips = np.random.default_rng(0).standard_normal((4, 3, 50, 15, 1))
        >>> html = explore_page(ArrayDataset(clips, layout="sbu"), torch.eye(4), maps=("pca",), neighbors=2)
        >>> html.startswith("<!doctype html>")
        True
    """
    n = len(dataset)
    _check(features, n, maps)
    check_integer(neighbors, name="neighbors")
    check_integer(seed, name="seed", least=0)
    columns = dataset_columns(dataset)
    classes = next((column.labels for column in columns if column.name == CLASS), ())
    names = [column.name for column in columns] + [CLUSTER] + ([PREDICTED] if _predicts(scores) else [])
    check_color(color, names)
    columns.append(cluster_column(features, clusters=min(max(len(classes), 2) if classes else _CLUSTERS, n), seed=seed))
    if scores is not None and scores.predicted is not None:
        columns.append(class_column(PREDICTED, scores.predicted, classes))
    k = min(neighbors, n - 1)
    cosines, places = nearest_neighbors(features, features, k=k, exclude_self=True)
    plane = [_in_steps(plane_points(features.numpy(force=True), method=each, seed=seed).points) for each in maps]
    indices = np.arange(n)
    seen = dataset.seen(indices) if hasattr(dataset, "seen") else None
    data = {
        "explore": pack_json(_described(dataset, columns, maps, color=color or columns[0].name, scores=scores)),
        "columns": pack_array(np.stack([column.values for column in columns])),
        "places": pack_array(np.stack(plane)),
        "neighbors": pack_array(places.numpy(force=True).astype(np.int32)),
        "similarities": pack_array(cosines.numpy(force=True).astype(np.float32)),
        **pack_motion(dataset.batch(indices), layout=dataset.layout, seen=seen),
    }
    values = {
        "scores": scores,
        "facts": [*facts, *_facts(dataset, maps, seed, k)],
        "confusion": bool(classes) and _predicts(scores),
    }
    return render_page("explore.html", title=title, values=values, data=data, scripts=_SCRIPTS, styles=("explore.css",))


def _described(
    dataset: ClipDataset, columns: Sequence[Column], maps: Sequence[Method], *, color: str, scores: Scores | None
) -> dict[str, Any]:
    return {
        "names": [escape(name) for name in dataset.names],
        "columns": [{"name": column.name, "labels": column.labels} for column in columns],
        "maps": [_MAPS[each] for each in maps],
        "color": color,
        "predictor": scores.predictor if scores is not None else None,
    }


def _facts(dataset: ClipDataset, maps: Sequence[Method], seed: int, k: int) -> list[tuple[str, str]]:
    sizes = zip(("coordinate", "frame", "joint", "person"), dataset.shape, strict=True)
    each = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in sizes)
    return [
        ("clips", f"{len(dataset)} of {each}"),
        ("skeleton", dataset.layout.name),
        ("maps", f"{', '.join(_MAPS[each] for each in maps)} of features of unit length, seed {seed}"),
        ("neighbors", f"{k} for each clip, by cosine similarity"),
    ]


def _in_steps(points: NDArray[np.float64]) -> NDArray[np.uint16]:
    """The points in steps of the longer side of the box around them, in its middle."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = float((high - low).max()) or 1.0
    steps: NDArray[np.uint16] = np.rint(((points - (low + high) / 2) / side + 0.5) * _SIDE).astype(np.uint16)
    return steps


def _predicts(scores: Scores | None) -> bool:
    return scores is not None and scores.predicted is not None


def _check(features: Tensor, n: int, maps: Sequence[Method]) -> None:
    check_axes(features, "n d", name="features")
    check_floating(features, name="features")
    if n < 3:
        raise ValueError(f"dataset: expected at least three clips, which a map needs, got {n}; add clips")
    if len(features) != n:
        raise ValueError(f"features: expected one row for each of the {n} clips, got {len(features)}")
    if not bool(torch.isfinite(features).all()):
        raise ValueError("features: expected finite numbers, got NaN or infinity")
    if not maps or len(set(maps)) != len(maps):
        raise ValueError(f"maps: expected different maps, at least one, got {list(maps)}")
    for each in maps:
        check_choice(each, get_args(Method), name="maps")
