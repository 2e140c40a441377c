"""After fine-tuning, a ridge classifier in place of the linear layer that was trained with the encoder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from skelblocks import streams
from skelblocks.encoders import ReadoutEncoder
from skelblocks.encoders.readout import Readout
from skelblocks.layouts import SkeletonLayout
from skelblocks.protocols.labeled_clips import LabeledClips
from skelblocks.protocols.ridge_classifier import ridge_classifier, several_groups
from skelblocks.streams import Stream

_AT_ONCE = 128  # clips


def refit(
    encoder: nn.Module,
    train: LabeledClips,
    test: LabeledClips,
    *,
    readout: Readout,
    layout: SkeletonLayout,
    stream: Stream,
    groups: ArrayLike | None = None,
    num_classes: int,
) -> tuple[nn.Sequential, Tensor]:
    """Fit a ridge classifier to an encoder's features.

    Training by cross-entropy stops to correct the encoder once the training clips are classified right. A classifier
    with a chosen regularization on a rich readout makes more of the same encoder.

    Args:
        encoder: Maps clips ``(n, c, t, v, m)`` of the stream to feature maps. It is put into evaluation mode.
        train: The clips to fit on.
        test: The clips to score.
        readout: How the feature map becomes one vector.
        layout: Skeleton of the clips.
        stream: The stream that the encoder takes.
        groups: The subject of each clip in ``train``; with several, the constant is chosen on held-out subjects.
        num_classes: Number of classes.

    Returns:
        Encoder, readout and linear layer, whose softmax gives probabilities; and the scores of the test clips
        ``(n, classes)``.
    """
    body = ReadoutEncoder(encoder, readout).eval()
    found = ridge_classifier(
        (_features(body, train, layout=layout, stream=stream), train.labels),
        (_features(body, test, layout=layout, stream=stream), test.labels),
        groups=several_groups(None if groups is None else np.asarray(groups)),
        num_classes=num_classes,
    )
    return nn.Sequential(body, found.head), found.logits / found.temperature


@torch.no_grad()
def _features(body: nn.Module, clips: LabeledClips, *, layout: SkeletonLayout, stream: Stream) -> Tensor:
    device = next(body.parameters()).device

    def described(places: Tensor) -> Tensor:
        features: Tensor = body(streams.convert(clips.take(places).to(device), stream, layout=layout))
        return features.cpu()

    return torch.cat([described(places) for places in torch.split(torch.arange(len(clips.labels)), _AT_ONCE)])
