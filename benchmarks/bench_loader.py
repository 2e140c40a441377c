"""Batches of a prepared set from the page cache: one fancy index a shard against clip by clip."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from case import Case
from torch import Tensor

from skelblocks.data import PreparedSet, RawClip, prepare

CLIPS, SHARD, BATCH = 4096, 512, 128


def clip(i: int) -> RawClip:
    x = np.random.default_rng(i).standard_normal((3, 50, 25, 2), dtype=np.float32)
    return RawClip(str(i), x, np.ones((50, 2), dtype=bool), i % 60, {})


def cases() -> Iterator[Case]:
    """An epoch in random order; clips a second are the number of clips by the time."""
    with tempfile.TemporaryDirectory() as folder:
        clips = [(str(i), partial(clip, i)) for i in range(CLIPS)]
        manifest = prepare(clips, out=folder, layout="ntu-rgb+d", center=None, shard=SHARD)
        dataset = PreparedSet(folder)
        shards = [np.load(Path(folder) / entry["file"], mmap_mode="r") for entry in manifest["shards"]]

        def epoch() -> list[Tensor]:
            return [batch.index for batch in dataset.batches(BATCH, seed=0, epoch=0)]

        orders = [index.tolist() for index in epoch()]

        def take(order: list[int]) -> Tensor:
            return torch.stack([torch.from_numpy(np.array(shards[i // SHARD][i % SHARD])) for i in order])

        def plain() -> None:
            for order in orders:
                take(order)

        batches = dataset.batches(BATCH, seed=0, epoch=0)
        equal = all(torch.equal(batch.clip, take(order)) for batch, order in zip(batches, orders, strict=True))
        sizes = f"{CLIPS} clips (3, 50, 25, 2) float32 in {len(shards)} shards, batches of {BATCH}"
        yield Case("loader", sizes, epoch, plain, 0.0 if equal else float("inf"))
