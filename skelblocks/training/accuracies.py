"""Accuracies of an encoder on the test clips, which a run logs of itself on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.clips import ClipDataset, batches
from skelblocks.encoders.readout import Readout
from skelblocks.encoders.readout_encoder import ReadoutEncoder
from skelblocks.evaluation import extract_features, knn_accuracy, linear_probe
from skelblocks.streams import Stream
from skelblocks.training.datasets import Sets
from skelblocks.training.options import EvaluateOptions


def frozen_features(
    encoder: nn.Module, sets: Sets, *, stream: Stream, readout: Readout = "mean"
) -> tuple[Tensor, Tensor]:
    """Features ``(n, d)`` of the training and of the test clips, by the encoder as it is, without augmentation.

    Args:
        encoder: Clips ``(n, c, t, v, m)`` to feature maps.
        sets: The clips.
        stream: What they are converted to first.
        readout: How features are taken from the map.
    """

    def convert(clips: Tensor) -> Tensor:
        return streams.convert(clips, stream, layout=sets.layout).to(dtype)

    dtype = next(encoder.parameters()).dtype
    model = ReadoutEncoder(encoder, readout)
    train, test = (extract_features(model, clips_of(part), transform=convert).cpu() for part in sets)
    return train, test


def clips_of(part: ClipDataset) -> Iterator[Tensor]:
    """All clips in order, in batches, which a thread reads ahead, since a set may exceed the memory.

    Args:
        part: The clips.
    """
    return (batch.clip for batch in batches(part, 256, ahead=2))


def accuracies(encoder: nn.Module, sets: Sets, options: EvaluateOptions, *, stream: Stream) -> dict[str, float]:
    """Top-1 accuracy on the test clips in percent: cosine nearest neighbors, and a linear probe after its last epoch.

    Args:
        encoder: The encoder, which stays as it is.
        sets: Labeled clips.
        options: Number of neighbors, readout, and settings of the probe.
        stream: What the encoder takes.

    Returns:
        ``{"knn": ..., "linear": ...}``.
    """
    train, test = frozen_features(encoder, sets, stream=stream, readout=options.readout)
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


def probe_settings(probe: Literal["paper", "standardized"], *, rate: float, milestone: int) -> dict[str, Any]:
    """Arguments of :func:`skelblocks.evaluation.linear_probe`.

    Args:
        probe: ``"paper"``: the papers' SGD on features as they are. ``"standardized"``: learning rate 0.1 on features
            of mean 0 and deviation 1, which is fair to untrained encoders too, whose features can be thousands of times
            smaller.
        rate: The learning rate of the papers' probe.
        milestone: The epoch after which that rate is divided by ten.

    Example:
        >>> probe_settings("paper", rate=3.0, milestone=80)
        {'learning_rate': 3.0, 'milestones': (80,), 'standardize': False}
    """
    if probe == "standardized":
        return {"learning_rate": 0.1, "milestones": (80,), "standardize": True}
    return {"learning_rate": rate, "milestones": (milestone,), "standardize": False}
