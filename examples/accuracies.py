"""Accuracies of an encoder on the test clips: what a run logs of itself on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from datasets import Sets
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.evaluation import extract_features, knn_accuracy, linear_probe
from skelblocks.streams import Stream


@dataclass(kw_only=True)
class EvaluationOptions:
    """Of which stream a run is, and how its encoder's accuracies are measured."""

    stream: Literal["joint", "bone", "motion"] = "joint"  # what is trained on and judged
    probe: Literal["paper", "standardized"] = "paper"  # see `probe_settings`
    probe_rate: float = 3.0  # of the papers' probe; divided by ten at the milestone of its 100 epochs
    probe_milestone: int = 80  # the epoch after which that rate is divided by ten
    neighbors: int = 20  # of the kNN accuracy


def features(encoder: nn.Module, sets: Sets, *, stream: Stream) -> tuple[Tensor, Tensor]:
    """Frozen, pooled features of the training and of the test clips, without augmentation."""

    def convert(clips: Tensor) -> Tensor:
        return streams.convert(clips, stream, layout=sets.layout).to(dtype)

    dtype = next(encoder.parameters()).dtype
    train, test = (extract_features(encoder, clips_of(part), transform=convert).cpu() for part in sets)
    return train, test


def clips_of(part: ArrayDataset | PreparedSet) -> Tensor | Iterator[Tensor]:
    """All clips in order: of a prepared set, which may exceed the memory, in batches."""
    if isinstance(part, ArrayDataset):
        return part.as_tensor()
    return (part.batch(range(i, min(i + 256, len(part)))) for i in range(0, len(part), 256))


def accuracies(encoder: nn.Module, sets: Sets, options: EvaluationOptions) -> dict[str, float]:
    """Top-1 accuracy on the test clips in percent: cosine nearest neighbours, and a linear probe after its last epoch.

    The probe is that of :func:`probe_settings`.
    """
    train, test = features(encoder, sets, stream=options.stream)
    labels = sets.train.labels, sets.test.labels
    probe = linear_probe(
        train,
        labels[0],
        test,
        labels[1],
        **probe_settings(options.probe, rate=options.probe_rate, milestone=options.probe_milestone),
        generator=torch.Generator().manual_seed(0),
    )
    knn = knn_accuracy(train, labels[0], test, labels[1], k=min(options.neighbors, len(train)))
    return {"knn": 100 * knn, "linear": 100 * probe.accuracy}


def probe_settings(probe: str, *, rate: float, milestone: int) -> dict[str, Any]:
    """Arguments of :func:`linear_probe`.

    ``"paper"``: the papers' SGD on features as they are. ``"standardized"``: rate 0.1 on features of mean 0 and
    deviation 1, fair to untrained encoders too, whose features can be thousands of times smaller.
    """
    if probe == "standardized":
        return {"learning_rate": 0.1, "milestones": (80,), "standardize": True}
    return {"learning_rate": rate, "milestones": (milestone,), "standardize": False}
