"""Labeled clips of a set, to train a classifier on, to select an epoch on, or to test on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from skelblocks.clips import ClipDataset

_IN_MEMORY = 1 << 31  # bytes; larger parts of a set are read batch by batch


class LabeledClips(NamedTuple):
    """Some clips of a set, all with a label.

    Attributes:
        take: Function from indices of these clips to the clips, ``(n, c, t, v, m)``.
        labels: Labels ``(n,)``.
        names: Names of the clips.
        rows: Indices of the clips in the set.
    """

    take: Callable[[Tensor], Tensor]
    labels: Tensor
    names: tuple[str, ...]
    rows: Tensor


def labeled_clips(dataset: ClipDataset, rows: Tensor | None = None) -> LabeledClips:
    """Take labeled clips of a set.

    Args:
        dataset: The set.
        rows: Indices of the clips in the set. Default: all.

    Returns:
        The clips. A part that fits in memory is preprocessed only once, not in every epoch.

    Raises:
        ValueError: A clip has no label.
    """
    rows = torch.arange(len(dataset)) if rows is None else rows
    labels, names = dataset.labels[rows], tuple(str(dataset.names[i]) for i in rows.tolist())
    if (labels < 0).any():
        raise ValueError(
            f"sets: expected labeled clips, but {names[int((labels < 0).nonzero()[0])]!r} has no label; leave it out "
            "or label it"
        )

    def take(places: Tensor) -> Tensor:
        return dataset.batch(rows[places].tolist())

    size = 4 * len(rows)
    for length in dataset.shape:
        size *= length
    if size > _IN_MEMORY:
        return LabeledClips(take, labels, names, rows)
    clips = take(torch.arange(len(rows)))
    return LabeledClips(lambda places: clips[places], labels, names, rows)


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
        rows: Indices of the clips to train on. Default: all that are not in ``validation``.
        validation: Indices of the clips to select on, with ``select="validation"``.
        select: How the epoch is chosen.

    Returns:
        The clips to train on, and those to select on, or None.

    Raises:
        ValueError: Indices are missing, repeated, out of range, overlap or leave nothing; or a clip has no label.
    """
    if (select == "validation") != (validation is not None):
        raise ValueError("validation: expected indices of training clips with select='validation', and none without it")
    free = torch.ones(len(train), dtype=torch.bool)
    held = None if validation is None else _places(validation, len(train), name="validation")
    if held is not None:
        free[held] = False
    chosen = free.nonzero()[:, 0] if rows is None else _places(rows, len(train), name="rows")
    if not len(chosen) or not free[chosen].all():
        raise ValueError("validation: expected some but not all training clips, and none of rows; choose other clips")
    return labeled_clips(train, chosen), None if held is None else labeled_clips(train, held)


def _places(indices: Sequence[int] | Tensor, count: int, *, name: str) -> Tensor:
    places = torch.as_tensor(indices)
    whole = not places.is_floating_point() and places.dtype != torch.bool
    found = set(places.tolist()) if whole or not len(places) else set()
    if not found or len(found) < len(places) or min(found) < 0 or max(found) >= count:
        raise ValueError(f"{name}: expected at least one index in 0..{count - 1}, without repeats, got {indices}")
    return places.to(torch.int64)
