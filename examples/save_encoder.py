"""A trained encoder as a pretrained folder, alone or with a classifier on its features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from datasets import DataOptions, Sets
from torch import nn

from skelblocks.data import PreparedSet
from skelblocks.encoders import DSTA, STGCN, BiGRU, ProjectionHead
from skelblocks.interop import InputDescription, save_pretrained
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
    made: dict[str, Any] = {"center": options.center, "align": options.align}
    if isinstance(sets.train, PreparedSet):
        made = {name: sets.train.manifest["settings"][name] for name in ("center", "per", "body", "align")}
    _, frames, _, persons = sets.train[0].clip.shape
    given = InputDescription(stream=cast(Stream, stream), frames=frames, persons=persons, **made)
    head = None
    if classifier is not None:
        with torch.device("meta"):  # draws no random numbers
            head = ProjectionHead(classifier.in_features, out_features=classifier.out_features, hidden_layers=0)
        head.layers = nn.Sequential(classifier)
    save_pretrained(
        folder,
        encoder=encoder,
        head=head,
        input=None if options.joints else given,  # the clips of some joints are centred with all of them
        metadata=metadata,
        overwrite=True,
    )
    return True
