"""How the distillation study measures features: a ridge probe with few or all labels, and the nearest neighbor.

Each result is a file RESULTS/ROW__LAYOUT__TARGET__CONDITION.json: for 1, 5, 10 and all labels a class and for the
nearest neighbor the accuracy of each draw in percent, and of each test clip in how many draws it was classified right,
so that two rows can be compared clip by clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.distill_targets import Target
from skelblocks._utils.whole_file import whole_file
from skelblocks.evaluation import knn_predict, ridge_probe

COUNTS = (1, 5, 10)  # labeled clips of a class
COLUMNS = (*map(str, COUNTS), "all", "knn")
DRAWS = 10
Pair = tuple[Tensor, Tensor]


class Place(NamedTuple):
    """What a result is about.

    Attributes:
        row: The method, such as ``"MiniRocket"`` or ``"synthetic-seed0-mean"``.
        layout: The joints of the clips.
        target: The set.
        condition: ``"perfect"`` joints, an estimator's errors (``"noisy"``), ``"mirrored"`` pictures, or ``"space"``.
    """

    row: str
    layout: str
    target: str
    condition: str

    def file(self, results: Path) -> Path:
        """Where the result is kept."""
        return results / f"{'__'.join(self)}.json"


def draw(labels: Tensor, count: int, seed: int) -> Tensor:
    """Some training clips of each class, the same ones for every method."""
    generator = np.random.default_rng(seed)
    rows = [generator.permutation(np.flatnonzero(labels.numpy() == each))[:count] for each in np.unique(labels.numpy())]
    return torch.from_numpy(np.concatenate(rows))


def scores(features: Tensor | Sequence[Pair], target: Target, *, draws: int = DRAWS) -> dict[str, Any]:
    """Measure features of all clips ``(n, d)``, or one pair of training and test features for each split.

    Fewer pairs than splits test the first splits alone.
    """
    if isinstance(features, Tensor):
        features = [tuple(features[torch.from_numpy(part)] for part in split) for split in target.splits]  # type: ignore[misc]
    hits: dict[str, list[Tensor]] = {column: [] for column in COLUMNS}
    labels = torch.from_numpy(target.labels)
    classes = int(labels.max()) + 1
    for split, (bank, queries) in zip(target.splits, features, strict=False):
        known, wanted = (labels[torch.from_numpy(part)] for part in split)
        for count in COUNTS:
            chosen = [draw(known, count, seed) for seed in range(draws)]
            hits[str(count)].append(
                torch.stack([_right(bank[rows], known[rows], queries, wanted, classes) for rows in chosen])
            )
        hits["all"].append(_right(bank, known, queries, wanted, classes)[None])
        hits["knn"].append((knn_predict(queries, bank, known, k=1) == wanted)[None])
    return {column: _summary(torch.cat(parts, dim=1).double()) for column, parts in hits.items()}


def _right(bank: Tensor, known: Tensor, queries: Tensor, wanted: Tensor, classes: int) -> Tensor:
    return ridge_probe(bank, known, queries, wanted, num_classes=classes).logits.argmax(dim=1) == wanted


def _summary(hits: Tensor) -> dict[str, Any]:
    """Of hits ``(draws, n)``."""
    return {"draws": (100 * hits.mean(dim=1)).tolist(), "hits": [round(each, 3) for each in hits.mean(dim=0).tolist()]}


def measure(results: Path, place: Place, features: Callable[[], Tensor | Sequence[Pair]], target: Target) -> None:
    """Write a result unless it is there."""
    path = place.file(results)
    if path.exists():
        return
    found = scores(features(), target)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(*place, *(f"{np.mean(found[column]['draws']):.1f}" for column in COLUMNS), flush=True)


def measure_each(
    results: Path, places: Sequence[Place], features: Callable[[], Sequence[Tensor]], target: Target
) -> None:
    """Write several results, whose features are computed together, unless all are there."""
    if all(place.file(results).exists() for place in places):
        return
    for place, each in zip(places, features(), strict=True):
        measure(results, place, partial(lambda found: found, each), target)
