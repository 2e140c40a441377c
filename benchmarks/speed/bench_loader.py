"""Batches of a prepared set from the page cache: one fancy index a shard against clip by clip."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.case import Case, Setting
from skelblocks.data import PreparedSet, Preprocessing, RawClip, prepare

CLIPS, SHARD, BATCH = 4096, 512, 128


def clip(i: int) -> RawClip:
    x = np.random.default_rng(i).standard_normal((3, 50, 25, 2), dtype=np.float32)
    return RawClip(str(i), x, np.ones((50, 2), dtype=bool), i % 60, {})


def cases(setting: Setting) -> Iterator[Case]:
    """An epoch in random order; clips a second are the number of clips by the time."""
    count, shard_size, batch_size = (12, 4, 3) if setting.small else (CLIPS, SHARD, BATCH)
    with tempfile.TemporaryDirectory() as folder:
        clips = [(str(i), partial(clip, i)) for i in range(count)]
        manifest = prepare(
            clips, out=folder, layout="ntu-rgb+d", preprocessing=Preprocessing(center=None), shard=shard_size
        )
        dataset = PreparedSet(folder)
        shards = [np.load(Path(folder) / entry["file"], mmap_mode="r") for entry in manifest["shards"]]

        def epoch() -> list[Tensor]:
            return [batch.index for batch in dataset.batches(batch_size, seed=0, epoch=0)]

        orders = [index.tolist() for index in epoch()]

        def take(order: list[int]) -> Tensor:
            return torch.stack([torch.from_numpy(np.array(shards[i // shard_size][i % shard_size])) for i in order])

        def plain() -> None:
            for order in orders:
                take(order)

        batches = dataset.batches(batch_size, seed=0, epoch=0)
        equal = all(torch.equal(batch.clip, take(order)) for batch, order in zip(batches, orders, strict=True))
        sizes = f"{count} clips (3, 50, 25, 2) float32 in {len(shards)} shards, batches of {batch_size}"
        yield Case("loader", sizes, epoch, plain, 0.0 if equal else float("inf"), count)
