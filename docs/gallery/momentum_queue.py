"""A small ring that takes batches of any size."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from skelblocks import MomentumQueue

SIZES = (5, 5, 4, 5, 3)


def momentum_queue_ring() -> Figure:
    queue = MomentumQueue(8, size=12)
    figure = Figure(figsize=(8.8, 4), layout="constrained")
    axes = figure.add_subplot()
    colors = ("#f0f0ee", "#9ecae1", "#fdae6b", "#a1d99b", "#dadaeb", "#fcbba1")
    first = 0
    for step in range(len(SIZES) + 1):
        if step:
            ids = torch.arange(first, first + SIZES[step - 1])
            queue.enqueue(torch.randn(len(ids), 8), ids=ids)
            first += len(ids)
        for row, clip in enumerate(queue.ids.tolist()):
            batch = sum(clip >= sum(SIZES[:i]) for i in range(len(SIZES))) if clip >= 0 else 0
            axes.add_patch(Rectangle((row, step + 0.08), 1, 0.84, facecolor=colors[batch], edgecolor="white"))
            axes.text(row + 0.5, step + 0.5, clip if clip >= 0 else "random", ha="center", va="center", fontsize=9)
        axes.plot(int(queue.pointer) + 0.5, step + 0.06, "v", color="#333333", markersize=6, clip_on=False)
    axes.set(xlim=(0, queue.size), ylim=(len(SIZES) + 1, 0), xlabel="row of the bank")
    axes.set_xticks([row + 0.5 for row in range(queue.size)], range(queue.size))
    axes.set_yticks(
        [step + 0.5 for step in range(len(SIZES) + 1)], ["start", *(f"after a batch of {n}" for n in SIZES)]
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


if __name__ == "__main__":
    write(momentum_queue_ring)
