"""What three processes with unequal shares gather, and what their queues hold then."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from common import write
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from skelblocks import MomentumQueue
from skelblocks.distributed import broadcast_module_state, gather_keys

SHARES = ((0, 1, 2), (3,), (4, 5))  # the clips of each process


def process(rank: int, folder: str) -> None:
    """What each of the processes runs."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=len(SHARES))
    queue = MomentumQueue(8, size=8)
    broadcast_module_state(queue)  # the first process's random rows for all
    ids = torch.tensor(SHARES[rank])
    keys = torch.randn(len(ids), 8)
    queue.enqueue(gather_keys(keys), ids=gather_keys(ids))
    torch.save((queue.ids, queue.bank), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def distributed_keys() -> Figure:
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(process, args=(folder,), nprocs=len(SHARES), start_method="fork")
        found = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(len(SHARES))]
    assert all(bank.equal(found[0][1]) for _, bank in found)
    colors = ("#9ecae1", "#fdae6b", "#a1d99b")
    owner = {clip: rank for rank, share in enumerate(SHARES) for clip in share}
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for rank, (ids, _) in enumerate(found):
        for start, clips in ((0, SHARES[rank]), (4.5, ids.tolist())):
            for place, clip in enumerate(clips):
                color = colors[owner[clip]] if clip in owner else "#f0f0ee"
                axes.add_patch(Rectangle((start + place, rank + 0.08), 1, 0.84, facecolor=color, edgecolor="white"))
                axes.text(
                    start + place + 0.5, rank + 0.5, clip if clip in owner else "random", ha="center", va="center"
                )
    axes.set(xlim=(0, 12.5), ylim=(3, 0), xticks=[])
    axes.set_yticks([0.5, 1.5, 2.5], [f"rank {rank}" for rank in range(3)])
    axes.text(0, -0.15, "its own clips")
    axes.text(4.5, -0.15, "rows of its bank after enqueue(gather_keys(keys), ids=gather_keys(ids))")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


if __name__ == "__main__":
    write(distributed_keys)
