"""What the examples report of an encoder, and the pictures of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from datasets import Sets
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.evaluation import extract_features, knn_accuracy, linear_probe
from skelblocks.viz import curves, draw_skeleton, embedding_scatter


@dataclass(kw_only=True)
class EvaluationOptions:
    """What is measured."""

    stream: Literal["joint", "bone", "motion"] = "joint"
    probe: Literal["paper", "standardized"] = "paper"  # see `probe_settings`
    probe_rate: float = 3.0  # of the papers' probe; divided by ten at the milestone of its 100 epochs
    probe_milestone: int = 80
    neighbors: int = 20  # of the kNN accuracy


def features(encoder: nn.Module, sets: Sets, *, stream: str) -> tuple[Tensor, Tensor]:
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


def draw_run(
    folder: Path,
    *,
    encoder: nn.Module,
    sets: Sets,
    history: Sequence[Mapping[str, float]],
    stream: str,
) -> None:
    """loss.png, accuracy.png, embedding.png and clip.png."""
    epochs = [row["epoch"] for row in history]
    names = list(history[0])[1 : list(history[0]).index("learning_rate")]  # the loss and its terms
    curves({name: (epochs, [row[name] for row in history]) for name in names}, ylabel="loss").savefig(
        folder / "loss.png"
    )
    measured = [row for row in history if "knn" in row]
    if measured:
        at = [row["epoch"] for row in measured]
        shown = {name: (at, [row[name] for row in measured]) for name in ("knn", "linear")}
        curves(shown, ylabel="accuracy on the test clips, %").savefig(folder / "accuracy.png")
    _, test = features(encoder, sets, stream=stream)
    labels = sets.test.labels if sets.labelled else torch.zeros(len(sets.test), dtype=torch.int64)
    names = list(sets.test.class_names) or None  # type: ignore[assignment]
    embedding_scatter(test, labels, class_names=names).savefig(folder / "embedding.png")
    clip, label, _ = sets.test[0]
    title = sets.test.class_names[int(label)] if names else sets.test.names[0]
    draw_skeleton(clip, layout=sets.layout, title=title).savefig(folder / "clip.png")


def feature_maps(encoder: nn.Module, sets: Sets, *, stream: str, count: int = 1) -> Tensor:
    """The frozen encoder's feature maps ``(n, m, c, t, v)`` of the first test clips, for pictures."""
    clips = torch.stack([sets.test[i].clip for i in range(count)])
    clips = streams.convert(clips, stream, layout=sets.layout).to(next(encoder.parameters()))
    encoder.eval()
    with torch.no_grad():
        maps: Tensor = encoder(clips)
    return maps
