"""The pictures of docs/blocks/region-swap.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import viz
from skelblocks.augment import RandomRegionSwap


def region_swap_strips() -> Figure:
    batch = clips()[[0, 6]]  # an arm that is raised to the front, both arms to the side
    batch = batch - batch[:, :, :, 20:21]  # the spine joint of the shoulders is the origin of every frame
    swap = RandomRegionSwap(LAYOUT)
    mixed = swap(batch, generator=torch.Generator().manual_seed(1))
    taken = mixed.mask[0].repeat_interleave(swap.stride, dim=0)
    rows = {"clip": batch[0], "its partner": batch[1], "mixed": mixed.clips[0]}
    figure = viz.clip_strip(rows, layout=LAYOUT, frames=5, hidden={"mixed": taken})
    figure.legends[0].get_texts()[-1].set_text("from the partner")
    return figure


if __name__ == "__main__":
    write(region_swap_strips)
