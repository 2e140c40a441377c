"""The encoders of a run as pretrained folders, which evaluation opens."""

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
    """Save each encoder of a run: in ``encoder/`` where there is one, else in ``encoder_STREAM/``.

    The folder's metadata is ``{"run": {"method", "stream", "seed", "options"}}``, the options in groups, and
    ``"start"`` where the run started from weights, ``"kept"`` where ``train.stop`` decided what is kept, and
    ``"precision"`` where the machine decided the precision.

    Args:
        encoders: By stream.
        folder: Of the run.
        sets: The clips that they were trained on.
        options: The run's.
        method: Its name.
        start: Record of the weights that it started from.
        kept: By stream, what the stopping rule decided.
        why: Why the run had its precision, in words.
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
    """Save an encoder with what was done to its clips, in place of what an earlier run left.

    Args:
        encoder: Clips ``(n, c, t, v, m)`` to feature maps.
        folder: Where it goes.
        sets: Clips that it was trained on or evaluated by.
        stream: What the encoder takes.
        metadata: Of the folder.
        readout: How features are taken from the encoder's map.
        classifier: On these features; it becomes the folder's head.
    """
    settings = sets.train.preprocessing  # None for clips of some joints, which are centered with all of them
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
