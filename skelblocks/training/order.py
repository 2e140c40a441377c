"""The order of clips and the seeds of a run, as functions of (seed, epoch, step, process) alone.

A run that was killed and resumed therefore sees the same batches, views and dropout as an uninterrupted run.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(*parts: object) -> int:
    """Derive a seed for a purpose, so that no two purposes share a random sequence.

    Args:
        *parts: The run's seed, the purpose, and details such as epoch, step and process.

    Example:
        >>> derive_seed(0, "views", 3) == derive_seed(0, "views", 3), derive_seed(0, "views", 3) < 2**56
        (True, True)
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7], "big")


def epoch_batches(
    count: int, *, batch_size: int, seed: int, epoch: int, rank: int = 0, world: int = 1
) -> list[list[int]]:
    """This process's share of each batch of an epoch. An incomplete last batch is dropped, as in released code.

    Args:
        count: Number of training clips.
        batch_size: Clips per step, over all processes.
        seed: Random seed of the run.
        epoch: The epoch, counted from 0; each epoch has its own order.
        rank: Rank of this process.
        world: Number of processes.

    Returns:
        For each step, the indices of the clips.

    Raises:
        ValueError: The batch has more clips than the set, or cannot be shared evenly.

    Example:
        >>> batches = epoch_batches(10, batch_size=4, seed=0, epoch=0)
        >>> len(batches), len({i for batch in batches for i in batch})
        (2, 8)
    """
    if count < batch_size:
        raise ValueError(
            f"train.batch_size: expected at most the {count} training clips, got {batch_size}; choose a smaller one"
        )
    if batch_size % world:
        raise ValueError(
            f"train.batch_size: expected a multiple of the {world} processes, got {batch_size}; choose another size"
        )
    generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
    order = torch.randperm(count, generator=generator).tolist()
    starts = range(0, count - batch_size + 1, batch_size)
    return [order[start : start + batch_size][rank::world] for start in starts]
