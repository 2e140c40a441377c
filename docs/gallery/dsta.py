"""The picture of docs/blocks/dsta.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from skelblocks import STGCNBlock, layouts
from skelblocks.encoders import DSTABlock

WRIST, FRAME = 6, 16  # the left wrist


@torch.no_grad()
def dsta_reach() -> Figure:
    clip = clips()[6:7, :, :, :, 0]  # (N, C, T, V)
    changed = clip.clone()
    changed[:, :, FRAME, WRIST] += 0.1
    convolution = STGCNBlock(3, out_channels=16, subsets=3, joints=25).eval()
    attention = DSTABlock(3, out_channels=16, inner_channels=16, joints=25, frames=32).eval()
    edges = layouts.adjacency(LAYOUT)
    steps = {
        "a block of ST-GCN": lambda x: convolution(x, edges),
        "DSTA, between joints": attention.spatial,
        "DSTA, a whole block": attention,
    }
    figure = Figure(figsize=(8.8, 4.8), layout="constrained")
    figure.suptitle(f"The left wrist moves in frame {FRAME} (orange). How far does the change reach?", fontsize=11)
    panels = figure.subplots(1, 3, sharey=True)
    for panel, (name, step) in zip(panels, steps.items(), strict=True):
        change = (step(changed) - step(clip))[0].norm(dim=0).T  # (V, T)
        image = panel.imshow(
            change / change.max(), cmap="Blues", norm=LogNorm(1e-5, 1), aspect="auto", interpolation="nearest"
        )
        mark = {"fill": False, "edgecolor": "#d55e00", "linewidth": 2.5, "zorder": 5}
        panel.add_patch(Rectangle((FRAME - 1, WRIST - 0.7), 2, 1.4, **mark))
        panel.set_title(name, fontsize=10.5)
        panel.set_xlabel("frame")
        panel.tick_params(length=0)
    panels[0].set_yticks(range(25), [name.replace("_", " ") for name in layouts.get(LAYOUT).joints], fontsize=8)
    bar = figure.colorbar(image, ax=panels, pad=0.02)
    bar.set_label("change, as a share of the largest (white: almost none)")
    return figure


if __name__ == "__main__":
    write(dsta_reach)
