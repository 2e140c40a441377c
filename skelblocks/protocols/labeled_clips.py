"""Labeled clips of a set: those that train a classifier, those that select an epoch, and those that test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from skelblocks.clips import ClipDataset

_IN_MEMORY = 1 << 31  # bytes; larger parts of a set are read batch by batch


class LabeledClips(NamedTuple):
    """Some clips of a set, all of which have a label.

    Attributes:
        take: From places among these clips to the clips, ``(n, c, t, v, m)``.
        labels: ``(n,)``.
        names: Of the clips.
    """

    take: Callable[[Tensor], Tensor]
    labels: Tensor
    names: tuple[str, ...]


def labeled_clips(dataset: ClipDataset, rows: Tensor | None = None) -> LabeledClips:
    """Take labeled clips of a set.

    Args:
        dataset: The set.
        rows: Places of the clips in the set. Default: all.

    Returns:
        The clips. A part that fits in the memory is prepared once, not once an epoch.

    Raises:
        ValueError: A clip has no label.
    """
    rows = torch.arange(len(dataset)) if rows is None else rows
    labels, names = dataset.labels[rows], tuple(str(dataset.names[i]) for i in rows.tolist())
    if (labels < 0).any():
        raise ValueError(f"sets: expected labeled clips, {names[int((labels < 0).nonzero()[0])]!r} has no label")

    def take(places: Tensor) -> Tensor:
        return dataset.batch(rows[places].tolist())

    size = 4 * len(rows)
    for length in dataset.shape:
        size *= length
    if size > _IN_MEMORY:
        return LabeledClips(take, labels, names)
    clips = take(torch.arange(len(rows)))
    return LabeledClips(lambda places: clips[places], labels, names)


def choose_clips(
    train: ClipDataset,
    *,
    rows: Sequence[int] | Tensor | None,
    validation: Sequence[int] | Tensor | None,
    select: str,
) -> tuple[LabeledClips, LabeledClips | None]:
    """Split a training set into the clips to train on and those to select on.

    Args:
        train: The training set.
        rows: Places of the clips to train on. Default: all that are not for validation.
        validation: Places of the clips to select on, with ``select="validation"``.
        select: How the epoch is chosen.

    Returns:
        The clips to train on, and those to select on, or None.

    Raises:
        ValueError: Places are missing, double or out of range, overlap or leave nothing, or a clip has no label.
    """
    if (select == "validation") != (validation is not None):
        raise ValueError("validation: expected places of training clips with select='validation', and none without")
    free = torch.ones(len(train), dtype=torch.bool)
    held = None if validation is None else _places(validation, len(train), name="validation")
    if held is not None:
        free[held] = False
    chosen = free.nonzero()[:, 0] if rows is None else _places(rows, len(train), name="rows")
    if not len(chosen) or not free[chosen].all():
        raise ValueError("validation: expected some of the training clips, not all and none of rows")
    return labeled_clips(train, chosen), None if held is None else labeled_clips(train, held)


def _places(given: Sequence[int] | Tensor, count: int, *, name: str) -> Tensor:
    places = torch.as_tensor(given)
    whole = not places.is_floating_point() and places.dtype != torch.bool
    found = set(places.tolist()) if whole or not len(places) else set()
    if not found or len(found) < len(places) or min(found) < 0 or max(found) >= count:
        raise ValueError(f"{name}: expected different places in 0..{count - 1}, at least one, got {given}")
    return places.to(torch.int64)
