"""Convert an official checkpoint to a pretrained encoder, for evaluation, features and labels of new clips."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.encoders import ProjectionHead
from skelblocks.interop.official.official_checkpoint import OfficialCheckpoint
from skelblocks.interop.pretrained.pretrained import Pretrained


@explain_arguments
def official_pretrained(loaded: OfficialCheckpoint, *, file: str | None = None) -> Pretrained:
    """Take the query side of a checkpoint: encoder, attention, and as head the classifier, or the projection head.

    Args:
        loaded: From :func:`~skelblocks.interop.load_official`.
        file: The file's name, for the metadata.

    Returns:
        The encoder with the preprocessing of its method. The metadata name the classes of a classifier; where they are
        not known, by their numbers.

    Example:
        >>> from skelblocks.encoders import STGCN
        >>> from skelblocks.interop import load_official, to_official
        >>> weights = to_official(STGCN("ntu-rgb+d", base_channels=4, out_channels=8), source="PSTL")
        >>> found = official_pretrained(load_official(weights))
        >>> found.preprocessing.align, found.class_names
        ('official', ())
    """
    metadata: dict[str, Any] = {}
    if loaded.report is not None:
        names = [loaded.report.source, *loaded.report.alternatives]
        metadata["official"] = {"source": names, **({} if file is None else {"file": file})}
    head: nn.Module | None = loaded.head
    if loaded.classifier is not None:
        head = classifier_head(loaded.classifier)
        metadata["class_names"] = list(loaded.class_names or map(str, range(loaded.classifier.out_features)))
    return Pretrained(
        encoder=loaded.encoder,
        head=head,
        attention=loaded.attention,
        preprocessing=loaded.preprocessing,
        stream=loaded.stream,
        metadata=metadata,
    )


def classifier_head(classifier: nn.Linear) -> ProjectionHead:
    """A linear layer as the head that pretrained folders keep: one without hidden layers."""
    with torch.device("meta"):  # draws no random numbers
        head = ProjectionHead(classifier.in_features, out_features=classifier.out_features, hidden_layers=0)
    head.layers = nn.Sequential(classifier)
    return head.eval()
