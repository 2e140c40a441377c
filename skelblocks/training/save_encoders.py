"""Save the encoders of a run as pretrained folders, which evaluation opens."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from skelblocks.encoders.readout import Readout
from skelblocks.interop import save_pretrained
from skelblocks.interop.official.official_pretrained import classifier_head
from skelblocks.streams import Stream
from skelblocks.training.datasets import Sets
from skelblocks.training.options import MethodOptions


def save_encoders(
    encoders: Mapping[Stream, nn.Module],
    folder: Path,
    *,
    sets: Sets,
    options: MethodOptions,
    method: str,
    start: Mapping[str, Any] | None = None,
    kept: Mapping[str, Any] | None = None,
    why: str | None = None,
) -> None:
    """Save each encoder of a run: a single encoder in ``encoder/``, several in ``encoder_STREAM/``.

    The folder's metadata is ``{"run": {"method", "stream", "seed", "options"}}``, with the options in groups. It also
    has ``"start"`` if the run started from weights, ``"kept"`` if ``train.stop`` chose what to save, and
    ``"precision"`` if the machine chose the precision.

    Args:
        encoders: The encoders by stream.
        folder: Folder of the run.
        sets: The clips that they were trained on.
        options: The run's options.
        method: Name of the method.
        start: Record of the weights that the run started from.
        kept: The decision of the stopping rule, by stream.
        why: The reason for the run's precision, in words.
    """
    for stream, encoder in encoders.items():
        place = folder / ("encoder" if len(encoders) == 1 else f"encoder_{stream}")
        run: dict[str, Any] = {"method": method, "stream": stream, "seed": options.train.seed}
        run |= {"options": options.to_dict(), **({} if start is None else {"start": dict(start)})}
        run |= {} if kept is None else {"kept": kept[stream]}
        run |= {} if why is None else {"precision": f"{options.train.precision}: {why}"}
        readout = options.evaluate.readout
        save_encoder(encoder, place, sets=sets, stream=stream, readout=readout, metadata={"run": run})


def save_encoder(
    encoder: nn.Module,
    folder: Path,
    *,
    sets: Sets,
    stream: Stream,
    metadata: Mapping[str, Any],
    readout: Readout = "mean",
    classifier: nn.Linear | None = None,
) -> None:
    """Save an encoder with the preprocessing of its clips. An earlier run's folder is replaced.

    Args:
        encoder: Maps clips ``(n, c, t, v, m)`` to feature maps.
        folder: The folder to write.
        sets: Clips that it was trained or evaluated on.
        stream: The stream that the encoder takes.
        metadata: Metadata of the folder.
        readout: How the feature map becomes one vector.
        classifier: A classifier on these features; it becomes the folder's head.
    """
    settings = sets.train.preprocessing  # None for clips with selected joints, which were centered with all joints
    _, frames, _, persons = sets.train.shape
    save_pretrained(
        folder,
        encoder=encoder,
        head=None if classifier is None else classifier_head(classifier),
        preprocessing=settings and dataclasses.replace(settings, frames=frames, persons=persons),
        stream=stream,
        readout=readout,
        metadata=metadata,
        overwrite=True,
    )
