"""A trained encoder as a pretrained folder, alone or with a classifier on its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from datasets import DataOptions, Sets
from torch import nn

from skelblocks.encoders import DSTA, STGCN, BiGRU, ProjectionHead
from skelblocks.interop import save_pretrained
from skelblocks.streams import Stream


def save_encoder(
    encoder: nn.Module,
    folder: Path,
    *,
    sets: Sets,
    options: DataOptions,
    stream: str,
    metadata: Mapping[str, Any],
    classifier: nn.Linear | None = None,
) -> bool:
    """Save an encoder with what was done to its clips, in place of what an earlier one left.

    Args:
        encoder: What was trained.
        folder: Where.
        sets: The clips that it was trained or judged by.
        options: Those of the clips.
        stream: What the encoder takes.
        metadata: Of the folder.
        classifier: On the pooled features; it becomes the folder's head.

    Returns:
        Whether there is a folder: two encoders side by side have none.
    """
    if not isinstance(encoder, STGCN | DSTA | BiGRU):
        return False
    settings = sets.train.preprocessing  # none for clips of some joints, which are centered with all of them
    _, frames, _, persons = sets.train.shape
    head = None
    if classifier is not None:
        with torch.device("meta"):  # draws no random numbers
            head = ProjectionHead(classifier.in_features, out_features=classifier.out_features, hidden_layers=0)
        head.layers = nn.Sequential(classifier)
    save_pretrained(
        folder,
        encoder=encoder,
        head=head,
        preprocessing=settings and replace(settings, frames=frames, persons=persons),
        stream=cast(Stream, stream),
        metadata=metadata,
        overwrite=True,
    )
    return True
