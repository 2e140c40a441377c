"""The columns that can color the clips of an explored set: class, subject, view, cluster and others.

Axes: n clips, d features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.did_you_mean import did_you_mean
from skelblocks._utils.escape import escape
from skelblocks._utils.optional import require
from skelblocks._utils.unit_vectors import as_float64, unit_vectors
from skelblocks.clips import ClipDataset

CLASS, CLUSTER, PREDICTED = "class", "cluster", "predicted"
_MOST_VALUES = 200  # of a group that colors: more are no groups


class Column(NamedTuple):
    """One value for each clip.

    Attributes:
        name: For instance ``"subject"``.
        values: ``(n,)`` int32, places in ``labels``; -1 where the value is not known.
        labels: What is shown for each value.
    """

    name: str
    values: NDArray[np.int32]
    labels: tuple[str, ...]


def dataset_columns(dataset: ClipDataset) -> list[Column]:
    """The classes and the groups of a set, such as subjects and views.

    Args:
        dataset: The clips. A group with more than 200 values is left out.

    Returns:
        A column each; ``"class"`` comes first where the set has labels.

    Example:
        >>> from skelblocks.data import ArrayDataset
        >>> clips = np.random.default_rng(0).standard_normal((3, 3, 50, 15, 1))
        >>> dataset = ArrayDataset(clips, layout="sbu", labels=[0, 1, 1], subjects=[7, 7, 9])
        >>> [(column.name, column.labels) for column in dataset_columns(dataset)]
        [('class', ('0', '1')), ('subject', ('7', '9'))]
    """
    columns = []
    labels = dataset.labels.numpy()
    if (labels >= 0).any():
        columns.append(class_column(CLASS, labels, _class_names(dataset)))
    for name in dataset.group_names:
        if name in (CLASS, CLUSTER, PREDICTED, "label", "train", "part"):
            continue
        values = np.asarray(dataset.groups(name))
        if values.ndim != 1 or values.dtype.kind not in "iubUS" or len(np.unique(values)) > _MOST_VALUES:
            continue
        named = getattr(dataset, "origin_names", {}).get(name)
        columns.append(_group_column(name, values, named))
    return columns


def class_column(name: str, labels: NDArray[Any], class_names: Sequence[str]) -> Column:
    """A column of classes, whether true or predicted.

    Args:
        name: Name of the column.
        labels: ``(n,)``, -1 where there is none.
        class_names: One name for each class; a class beyond them is shown by its number.
    """
    count = max(int(labels.max(initial=-1)) + 1, len(class_names))
    shown = tuple(escape(class_names[i]) if i < len(class_names) else str(i) for i in range(count))
    return Column(name, labels.astype(np.int32), shown)


def cluster_column(features: Tensor, *, clusters: int, seed: int) -> Column:
    """The clusters that k-means finds in features of unit length, the largest first.

    Args:
        features: ``(n, d)``.
        clusters: How many; at most n.
        seed: Random seed of the starts.

    Raises:
        ImportError: Scikit-learn is missing.
    """
    kmeans = require("sklearn.cluster", extra="pages").KMeans
    unit = unit_vectors(as_float64(features))
    distinct = len(np.unique(unit, axis=0))  # k-means warns about clusters that no point can be in
    found = kmeans(n_clusters=min(clusters, distinct), n_init=4, random_state=seed).fit_predict(unit)
    order = np.argsort(-np.bincount(found), kind="stable")
    rank = np.argsort(order).astype(np.int32)
    return Column(CLUSTER, rank[found], tuple(str(i + 1) for i in range(len(order))))


def check_color(color: str | None, names: Sequence[str]) -> None:
    """Raise ``ValueError`` for an unknown column.

    Args:
        color: Name of a column, or None for the first.
        names: Names of the existing columns.

    Example:
        >>> check_color("subjekt", ["class", "subject"])
        Traceback (most recent call last):
        ...
        ValueError: color: expected one of class, subject, got 'subjekt' (did you mean 'subject'?)
    """
    if color is not None and color not in names:
        raise ValueError(
            f"color: expected one of {', '.join(map(escape, names))}, got {escape(color)!r}{did_you_mean(color, names)}"
        )


def _class_names(dataset: ClipDataset) -> Sequence[str]:
    return dataset.class_names or [str(i) for i in range(dataset.num_classes)]


def _group_column(name: str, values: NDArray[Any], named: Sequence[str] | None) -> Column:
    there, places = np.unique(values, return_inverse=True)
    if values.dtype.kind in "iu" and there[0] == -1:  # not known
        there, places = there[1:], places - 1
    shown = [named[value] if named is not None and 0 <= value < len(named) else value for value in there.tolist()]
    return Column(escape(name), places.astype(np.int32), tuple(map(escape, shown)))
