"""The pictures of a run: loss, accuracy, embedding and a clip; and feature maps for the methods' own pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks._utils.whole_file import whole_file
from skelblocks.streams import Stream
from skelblocks.training.accuracies import frozen_features
from skelblocks.training.datasets import Sets
from skelblocks.viz import curves, draw_skeleton, embedding_scatter


def draw_run(
    folder: Path, *, encoder: nn.Module, sets: Sets, history: Sequence[Mapping[str, float]], stream: Stream
) -> None:
    """Draw loss.png, accuracy.png, embedding.png and clip.png.

    Args:
        folder: Folder of the run.
        encoder: The encoder whose features of the test clips are drawn.
        sets: The clips.
        history: One row of metrics per epoch.
        stream: The stream that the encoder takes.
    """
    epochs = [row["epoch"] for row in history]
    names = list(history[0])[1 : list(history[0]).index("learning_rate")]  # the loss and its terms
    losses = {name: (epochs, [row[name] for row in history]) for name in names}
    save_picture(curves(losses, ylabel="loss"), folder / "loss.png")
    if any("knn" in row for row in history):
        save_picture(accuracy_curves(history, sets=sets), folder / "accuracy.png")
    if len(sets.test) >= 3:  # fewer points do not span a plane
        _, test = frozen_features(encoder, sets, stream=stream)
        labels = sets.test.labels if sets.labeled else torch.zeros(len(sets.test), dtype=torch.int64)
        named = list(sets.test.class_names) if sets.labeled else None
        title = f"Features of {len(test)} test clips"
        save_picture(embedding_scatter(test, labels, class_names=named or None, title=title), folder / "embedding.png")
    clip, title = first_clip(sets)
    drawn = draw_skeleton(clip, layout=sets.layout, title=title, flip_vertical=in_picture(clip))
    save_picture(drawn, folder / "clip.png")


def accuracy_curves(
    history: Sequence[Mapping[str, float]], *, sets: Sets, levels: Mapping[str, float] | None = None
) -> Any:
    """Draw the accuracies of a run from zero upwards, and chance where the classes are known.

    Args:
        history: One row of metrics per epoch. Rows without accuracies are left out.
        sets: The clips.
        levels: Further accuracies to compare with, in percent, by name.

    Returns:
        The figure.
    """
    names = sets.test.class_names
    lines = {**(levels or {}), **({"chance": 100 / len(names)} if names else {})}
    measured = [row for row in history if "knn" in row]
    at = [row["epoch"] for row in measured]
    found = {name: (at, [row[key] for row in measured]) for key, name in (("knn", "kNN"), ("linear", "linear probe"))}
    return curves(found, ylabel="accuracy on the test clips, %", levels=lines or None, from_zero=True)


def save_picture(figure: Any, path: Path) -> None:
    """Write a figure atomically: the file is complete or absent."""
    with whole_file(path) as place:
        figure.savefig(place)


def first_clip(sets: Sets) -> tuple[Tensor, str]:
    """The first test clip with a visible person, and its class or else its name.

    Args:
        sets: The clips.
    """
    i = next((i for i in range(len(sets.test)) if sets.test[i].clip.any()), 0)
    clip, label, _ = sets.test[i]
    named = bool(sets.test.class_names) and int(label) >= 0
    return clip, sets.test.class_names[int(label)] if named else str(sets.test.names[i])


def in_picture(clip: Tensor) -> bool:
    """Whether a clip ``(c, t, v, m)`` seems to be in a picture, whose second coordinate grows downwards.

    Example:
        >>> in_picture(torch.zeros(2, 50, 17, 1))
        True
    """
    return len(clip) == 2


def feature_maps(encoder: nn.Module, sets: Sets, *, stream: Stream, count: int = 1) -> Tensor:
    """The frozen encoder's feature maps ``(n, m, c, t, v)`` of the first test clips, for pictures.

    Args:
        encoder: The encoder.
        sets: The clips.
        stream: The stream that the encoder takes.
        count: Number of maps; clips are repeated if there are fewer.
    """
    clips = torch.stack([sets.test[i % len(sets.test)].clip for i in range(count)])
    clips = streams.convert(clips, stream, layout=sets.layout).to(next(encoder.parameters()))
    encoder.eval()
    with torch.no_grad():
        maps: Tensor = encoder(clips)
    return maps
