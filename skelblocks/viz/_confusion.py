"""A confusion matrix as counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks.viz._style import to_array, to_labels, to_names

Labels: TypeAlias = Tensor | NDArray[Any] | Sequence[int]
Confusion: TypeAlias = Tensor | NDArray[Any] | Sequence[Sequence[float]] | tuple[Labels, Labels]


def to_counts(matrix: Confusion, class_names: Sequence[str] | None) -> tuple[NDArray[np.float64], list[str]]:
    """Counts ``(c, c)`` with true classes as rows, and a name for each class; from a matrix or (predicted, labels)."""
    if isinstance(matrix, tuple) and len(matrix) == 2:
        pair: tuple[Any, Any] = matrix
        predicted, labels = to_labels(pair[0], name="predicted"), to_labels(pair[1], name="labels")
        if predicted.shape != labels.shape:
            raise ValueError(
                f"predicted: expected one for each of {len(labels)} labels, got {len(predicted)}; pass both of the "
                "same clips"
            )
        names = to_names(class_names, int(max(predicted.max(), labels.max())) + 1, exact=False)
        counts = np.zeros((len(names), len(names)))
        np.add.at(counts, (labels, predicted), 1)
        return counts, names
    counts = to_array(matrix, name="matrix").astype(np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size or counts.min() < 0:
        raise ValueError(
            "matrix: expected counts (c, c), none below 0, or the tuple (predicted, labels), got shape "
            f"{counts.shape}; of a list of the two make a tuple"
        )
    return counts, to_names(class_names, len(counts), exact=True)
