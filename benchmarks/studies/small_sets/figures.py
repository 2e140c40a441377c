"""What the features of a row are worth: the nearest neighbor, and a ridge classifier on all labels and on a few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from skelblocks._utils.whole_file import whole_file
from skelblocks.evaluation import knn_predict, paired_bootstrap, ridge_probe

COUNTS = (1, 2, 5, 10)
DRAWS = 10
Part = tuple[Tensor, Tensor]
Hits = dict[str, NDArray[np.float32]]
"""By column, the share of the draws in which each test clip was classified right."""


def drawn_rows(labels: Tensor, count: int, seed: int) -> Tensor:
    """Up to ``count`` training clips of each class, the same ones for every row of the study.

    Example:
        >>> drawn_rows(torch.tensor([0, 1, 0, 1]), 1, 0).shape
        torch.Size([2])
    """
    generator = np.random.default_rng(seed)
    known = labels.numpy()
    rows = [generator.permutation(np.flatnonzero(known == each))[:count] for each in np.unique(known)]
    return torch.from_numpy(np.concatenate(rows))


def hits(
    parts: Sequence[Part],
    labels: Tensor,
    wanted: Tensor,
    *,
    groups: NDArray[Any] | None,
    counts: Sequence[int] = COUNTS,
) -> Hits:
    """Classify the test clips by features of one kind or of several together.

    Several kinds are joined late: the scores of their ridge classifiers are added, and for the nearest neighbor their
    unit vectors stand side by side, so that each counts the same whatever its size.

    Args:
        parts: Training and test features of each kind, ``(n, d)``.
        labels: Of the training clips.
        wanted: Of the test clips.
        groups: Subjects, views or folds of the training clips, on which the ridge constant is chosen.
        counts: Numbers of labeled clips a class, beside all.
    """
    classes = int(torch.cat([labels, wanted]).max()) + 1

    def scores(rows: Tensor | None) -> Tensor:
        total = torch.zeros(len(wanted), classes)
        for train, test in parts:
            known, own = (train, groups) if rows is None else (train[rows], None)
            target = labels if rows is None else labels[rows]
            total += ridge_probe(known, target, test, wanted, groups=own, num_classes=classes).logits
        return total

    def right(rows: Tensor | None) -> NDArray[np.float32]:
        return (scores(rows).argmax(dim=1) == wanted).float().numpy()

    found: Hits = {"all": right(None)}
    for count in counts:
        draws = [right(drawn_rows(labels, count, seed)) for seed in range(DRAWS)]
        found[str(count)] = np.mean(draws, axis=0, dtype=np.float32)
    bank, queries = (torch.cat([F.normalize(part[side], dim=1) for part in parts], dim=1) for side in (0, 1))
    near = knn_predict(queries, bank, labels, k=1)
    assert isinstance(near, Tensor)
    found["kNN-1"] = (near == wanted).float().numpy()
    return found


def save_hits(path: Path, found: Hits) -> None:
    """Write the hits of one row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as place, place.open("wb") as file:
        np.savez(file, **found)  # type: ignore[arg-type]  # numpy's stub takes keywords for allow_pickle


def load_hits(path: Path) -> Hits:
    """Read the hits of one row."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def difference(hits_a: Hits, hits_b: Hits, column: str) -> tuple[float, float, float]:
    """The mean difference in points, with the ends of its 95 % interval over test clips."""
    found = paired_bootstrap(hits_a[column], hits_b[column], resamples=2000)
    return 100 * found.difference, 100 * found.low, 100 * found.high


def averaged(seeds: Sequence[Hits]) -> Hits:
    """The mean over seeds of how often each test clip was classified right."""
    return {column: np.mean([each[column] for each in seeds], axis=0, dtype=np.float32) for column in seeds[0]}
