"""Who was taken for whom, as a matrix of counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks.viz._style import as_written, to_array

Labels = Tensor | NDArray[Any] | Sequence[int]
Confusion = Tensor | NDArray[Any] | Sequence[Sequence[float]] | tuple[Labels, Labels]


def to_counts(matrix: Confusion, class_names: Sequence[str] | None) -> tuple[NDArray[np.float64], list[str]]:
    """Counts ``(c, c)`` with true classes as rows, and a name a class; from such a matrix or (predicted, labels)."""
    if isinstance(matrix, tuple) and len(matrix) == 2:
        predicted, labels = (to_array(x, name=name) for x, name in zip(matrix, ("predicted", "labels"), strict=True))
        for x, name in ((predicted, "predicted"), (labels, "labels")):
            if x.ndim != 1 or not x.size or not np.issubdtype(x.dtype, np.integer) or x.min() < 0:
                raise ValueError(f"{name}: expected integers (n,) from 0, got {x.dtype} of shape {x.shape}")
        if predicted.shape != labels.shape:
            raise ValueError(f"predicted: expected one a label, {len(labels)}, got {len(predicted)}")
        highest = int(max(predicted.max(), labels.max()))
        if class_names is not None and highest >= len(class_names):
            raise ValueError(f"class_names: expected a name for every class, up to {highest}, got {len(class_names)}")
        counts = np.zeros((len(class_names) if class_names is not None else highest + 1,) * 2)
        np.add.at(counts, (labels, predicted), 1)
    else:
        counts = to_array(matrix, name="matrix").astype(np.float64)
        if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size or counts.min() < 0:
            raise ValueError(
                "matrix: expected counts (c, c), none below 0, or the tuple (predicted, labels), got shape "
                f"{counts.shape}"
            )
        if class_names is not None and len(class_names) != len(counts):
            raise ValueError(f"class_names: expected one a class, {len(counts)}, got {len(class_names)}")
    names = map(str, range(len(counts))) if class_names is None else map(as_written, class_names)
    return counts, list(names)
