"""The picture of docs/blocks/dsta.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from skelblocks import STGCNBlock, layouts
from skelblocks.encoders import DSTABlock


@torch.no_grad()
def dsta_reach() -> Figure:
    clip = clips()[6:7, :, :, :, 0]  # (N, C, T, V)
    changed = clip.clone()
    changed[:, :, 16, 6] += 0.1  # the left wrist in one frame
    convolution = STGCNBlock(3, out_channels=16, subsets=3, joints=25).eval()
    attention = DSTABlock(3, out_channels=16, inner_channels=16, joints=25, frames=32).eval()
    edges = layouts.adjacency(LAYOUT)
    steps = {
        "block of STGCN": lambda x: convolution(x, edges),
        "DSTA: between joints": attention.spatial,
        "DSTA: whole block": attention,
    }
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for panel, (name, step) in zip(panels, steps.items(), strict=True):
        change = (step(changed) - step(clip))[0].norm(dim=0).T  # (V, T)
        image = panel.imshow(
            change / change.max(), cmap="magma_r", norm=LogNorm(1e-5, 1), aspect="auto", interpolation="nearest"
        )
        panel.set_title(name, fontsize=10)
        panel.set_xlabel("frame")
    panels[0].set_ylabel("joint")
    figure.colorbar(image, ax=panels, pad=0.02).set_label("change, of the greatest")
    return figure


if __name__ == "__main__":
    write(dsta_reach)
