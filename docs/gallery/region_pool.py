"""The picture of docs/blocks/region-pool.md."""

from __future__ import annotations

import torch
from common import LAYOUT, write
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from skelblocks import RandomRegionSwap, layouts
from skelblocks.encoders import region_to_frames


def region_pool_masks() -> Figure:
    swap = RandomRegionSwap(LAYOUT)
    mixed = swap(torch.zeros(2, 3, 50, 25, 1), generator=torch.Generator().manual_seed(1))
    frames = mixed.mask[0].repeat_interleave(swap.stride, dim=0)[:50]  # (T, V)
    rows = region_to_frames(frames, frames=13)  # (T', V), the same as mixed.mask[0]
    bodies = layouts.get(LAYOUT).bodies
    order = [joint for body in bodies for joint in body.joints]
    ends = torch.tensor([len(body.joints) for body in bodies]).cumsum(dim=0)
    middles = ends - torch.tensor([len(body.joints) for body in bodies]) / 2
    figure = Figure(figsize=(8.8, 3.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    colors = ListedColormap(["#cfe3f1", "#d55e00"])
    sides = zip(panels, (frames, rows), ("frame of the clip", "frame of the map"), (swap.stride, 1), strict=True)
    for panel, mask, name, block in sides:
        panel.pcolormesh(mask[:, order].T, cmap=colors)
        panel.vlines(range(0, len(mask), block), 0, 25, color="white", linewidth=0.5)
        panel.hlines(ends[:-1], 0, len(mask), color="white", linewidth=2)
        panel.set(xlabel=name, yticks=middles, yticklabels=[body.name.replace("_", " ") for body in bodies])
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    panels[0].invert_yaxis()
    patches = [Patch(color=colors(1)), Patch(color=colors(0))]
    figure.legend(patches, ("inside", "outside"), loc="outside right center", frameon=False)
    return figure


if __name__ == "__main__":
    write(region_pool_masks)
