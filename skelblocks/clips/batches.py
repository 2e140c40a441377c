"""Iterate over a data set of clips in batches.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skelblocks._utils.checks import check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.prefetch import prefetch
from skelblocks.clips.clip_dataset import ClipDataset
from skelblocks.clips.sample import Sample


@explain_arguments
def batches(
    dataset: ClipDataset,
    batch_size: int,
    *,
    shuffle: bool | None = None,
    drop_last: bool | None = None,
    generator: torch.Generator | None = None,
    seed: int | None = None,
    epoch: int = 0,
    rank: int = 0,
    world_size: int = 1,
    start: int = 0,
    ahead: int = 0,
) -> Iterator[Sample]:
    """Iterate over one epoch of a data set in batches, optionally from a later step on.

    Each step uses ``batch_size * world_size`` clips of the epoch's order, and each rank takes its share. So the clips
    of a step depend only on this product, not on the number of ranks. A stopped run resumes with ``start``.

    Args:
        dataset: The clips.
        batch_size: Clips per batch of one rank.
        shuffle: Whether to use a random order. Default: True if there is a ``seed``.
        drop_last: Whether to drop the last clips if they do not fill a step. Otherwise they are distributed over the
            ranks; with fewer clips than ranks, the last ranks have one step less. Default: True if there is a ``seed``.
        generator: Source of the order, on the CPU. Default: ``seed``, or torch's global generator without one.
        seed: Determines the order together with ``epoch``: the same numbers give the same batches on every machine.
        epoch: Number of the epoch. Each epoch has its own order.
        rank: Rank of this process.
        world_size: Number of processes.
        start: Number of steps to skip, because they are done.
        ahead: Number of batches that a thread reads in advance; the data set must be thread-safe. 0 uses no thread.

    Returns:
        An iterator of batches.

    Raises:
        TypeError: a number that is not an integer.
        ValueError: a number outside its range, a ``start`` after the end, too few clips for one step, both ``seed`` and
            ``generator``, or ranks or a ``start`` without a ``seed``, because their orders would differ.

    Example:
        >>> from skelblocks.data import ArrayDataset
        >>> dataset = ArrayDataset(np.random.default_rng(0).standard_normal((5, 3, 60, 25, 2)), layout="ntu-rgb+d")
        >>> [batch.index.tolist() for batch in batches(dataset, 2)]
        [[0, 1], [2, 3], [4]]
        >>> [batch.index.tolist() for batch in batches(dataset, 2, seed=0, epoch=3)]
        [[3, 0], [2, 1]]
    """
    numbers = {"batch_size": batch_size, "epoch": epoch, "rank": rank, "world_size": world_size, "start": start}
    numbers["ahead"] = ahead
    for name, value in {**numbers, **({} if seed is None else {"seed": seed})}.items():
        check_integer(value, name=name, least=1 if name in ("batch_size", "world_size") else 0)
    if rank >= world_size:
        raise ValueError(f"rank: expected 0..{world_size - 1}, got {rank}; pass the rank of this process")
    if seed is not None and generator is not None:
        raise ValueError("seed: expected a seed or a generator, got both; pass only one")
    shuffle = seed is not None if shuffle is None else shuffle
    drop_last = seed is not None if drop_last is None else drop_last
    if shuffle and seed is None and (world_size > 1 or start):
        raise ValueError("seed: expected an integer for several ranks or a start, got None; pass the same on all ranks")
    n, step = len(dataset), batch_size * world_size
    steps = n // step if drop_last else -(-n // step)
    if not steps:
        raise ValueError(f"batch_size: expected {step} clips for a step, got a set of {n}; pass drop_last=False")
    if start > steps:
        raise ValueError(f"start: expected 0..{steps}, the steps of the epoch, got {start}")
    order = _order(n, shuffle, generator, None if seed is None else [seed, epoch])
    shares = (np.array_split(order[step * i : step * (i + 1)], world_size)[rank] for i in range(start, steps))
    found = (_sample(dataset, share) for share in shares if len(share))
    return prefetch(found, ahead=ahead) if ahead else found


def _order(n: int, shuffle: bool, generator: torch.Generator | None, seeds: list[int] | None) -> NDArray[np.int64]:
    order = np.arange(n, dtype=np.int64)
    if shuffle and seeds is None:
        drawn: NDArray[np.int64] = torch.randperm(n, generator=generator).numpy()
        return drawn
    if shuffle:
        np.random.default_rng(seeds).shuffle(order)
    return order


def _sample(dataset: ClipDataset, places: NDArray[np.int64]) -> Sample:
    index = torch.from_numpy(places.copy())
    return Sample(dataset.batch(places), dataset.labels[index], index, seen=seen_joints(dataset, places))


def seen_joints(dataset: ClipDataset, indices: ArrayLike) -> Tensor | None:
    """The joints of some clips that are seen, ``(n, t, v, m)``, or None if the data set does not know them.

    The data set may have a method ``seen`` with the same arguments as ``batch``.
    """
    tell = getattr(dataset, "seen", None)
    seen: Tensor | None = None if tell is None else tell(indices)
    return seen


def gives_whole_batches(dataset: ClipDataset) -> bool:
    """Whether ``batch`` agrees with ``dataset[i]``. It does not if a subclass overrides only ``__getitem__``."""
    for kind in type(dataset).__mro__:
        if "batch" in vars(kind) or "__getitem__" in vars(kind):
            return "batch" in vars(kind)
    return False
