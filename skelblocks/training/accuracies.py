"""Accuracies of an encoder on the test clips, which a run logs during training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.clips import ClipDataset, batches
from skelblocks.encoders.readout import Readout
from skelblocks.encoders.readout_encoder import ReadoutEncoder
from skelblocks.evaluation import extract_features, knn_accuracy, linear_probe, ridge_probe
from skelblocks.streams import Stream
from skelblocks.training.datasets import Sets
from skelblocks.training.options import EvaluateOptions


def frozen_features(
    encoder: nn.Module, sets: Sets, *, stream: Stream, readout: Readout = "mean"
) -> tuple[Tensor, Tensor]:
    """Features ``(n, d)`` of the training clips and of the test clips, without augmentation. The encoder is frozen.

    Args:
        encoder: Maps clips ``(n, c, t, v, m)`` to feature maps.
        sets: The clips.
        stream: The stream that clips are converted to first.
        readout: How the feature map becomes one vector.
    """

    def convert(clips: Tensor) -> Tensor:
        return streams.convert(clips, stream, layout=sets.layout).to(dtype)

    dtype = next(encoder.parameters()).dtype
    model = ReadoutEncoder(encoder, readout)
    train, test = (extract_features(model, clips_of(part), transform=convert).cpu() for part in sets)
    return train, test


def clips_of(part: ClipDataset) -> Iterator[Tensor]:
    """Yield all clips in order, in batches that a thread reads ahead. A set may exceed the memory.

    Args:
        part: The clips.
    """
    return (batch.clip for batch in batches(part, 256, ahead=2))


def accuracies(encoder: nn.Module, sets: Sets, options: EvaluateOptions, *, stream: Stream) -> dict[str, float]:
    """Top-1 accuracy on the test clips in percent: cosine nearest neighbors, and a linear probe.

    A probe that is trained by SGD counts after its last epoch.

    Args:
        encoder: The encoder; it does not change.
        sets: Labeled clips.
        options: Number of neighbors, readout, and settings of the probe.
        stream: The stream that the encoder takes.

    Returns:
        ``{"knn": ..., "linear": ...}``.
    """
    train, test = frozen_features(encoder, sets, stream=stream, readout=options.readout)
    labels = sets.train.labels, sets.test.labels
    knn = knn_accuracy(train, labels[0], test, labels[1], k=min(options.neighbors, len(train)))
    if options.probe == "ridge":
        linear = ridge_probe(train, labels[0], test, labels[1]).accuracy
    else:
        linear = linear_probe(
            train,
            labels[0],
            test,
            labels[1],
            **probe_settings(options.probe, rate=options.probe_rate, milestone=options.probe_milestone),
            generator=torch.Generator().manual_seed(0),
        ).accuracy
    return {"knn": 100 * knn, "linear": 100 * linear}


def probe_settings(probe: Literal["paper", "standardized"], *, rate: float, milestone: int) -> dict[str, Any]:
    """Arguments of :func:`skelblocks.evaluation.linear_probe`.

    Args:
        probe: ``"paper"``: the papers' SGD on unscaled features. ``"standardized"``: learning rate 0.1 on features with
            mean 0 and deviation 1. This is fair to untrained encoders too, whose features can be thousands of times
            smaller.
        rate: Learning rate of the papers' probe.
        milestone: The epoch after which this rate is divided by ten.

    Example:
        >>> probe_settings("paper", rate=3.0, milestone=80)
        {'learning_rate': 3.0, 'milestones': (80,), 'standardize': False}
    """
    if probe == "standardized":
        return {"learning_rate": 0.1, "milestones": (80,), "standardize": True}
    return {"learning_rate": rate, "milestones": (milestone,), "standardize": False}
