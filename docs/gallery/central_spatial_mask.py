"""The pictures of docs/blocks/central-spatial-mask.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import layouts, viz
from skelblocks.augment import CentralSpatialMask, joint_degrees


def central_spatial_mask_draws() -> Figure:
    frame = clips()[6, :, 8]  # (C, V, M)
    kept = CentralSpatialMask(LAYOUT)(frame[None, :, None].expand(6, -1, -1, -1, -1))  # six draws: (6, 17)
    hidden = torch.ones(6, 25, dtype=torch.bool).scatter(1, kept, False)
    figure = viz.clip_strip(frame[:, None].repeat(1, 6, 1, 1), layout=LAYOUT, frames=6, hidden=hidden)
    for number, panel in enumerate(figure.axes, start=1):
        panel.set_xlabel(f"draw {number}")
    return figure


def central_spatial_mask_shares() -> Figure:
    draws = torch.randn(2048, 1, 1, 25, 1)
    shares = torch.zeros(2, 25)
    for row, same_on_batch in zip(shares, (False, True), strict=True):
        masking = CentralSpatialMask(LAYOUT, same_on_batch=same_on_batch)
        # With same_on_batch, a draw is one for the batch: as many calls as samples.
        kept = [masking(clip[None]).flatten() for clip in draws] if same_on_batch else [masking(draws).flatten()]
        row += 1 - torch.bincount(torch.cat(kept), minlength=25) / len(draws)
    degrees = torch.tensor(joint_degrees(LAYOUT))
    order = degrees.argsort(descending=True, stable=True)
    figure = Figure(figsize=(8.8, 3.8), layout="constrained")
    axes = figure.add_subplot()
    places = torch.arange(25)
    axes.bar(places - 0.2, shares[0, order], 0.4, color="#0072b2", label="exactly 8 (default)")
    axes.bar(places + 0.2, shares[1, order], 0.4, color="#e69f00", label="same_on_batch=True")
    names = [layouts.get(LAYOUT).joints[joint].replace("_", " ") for joint in order]
    axes.set_xticks(places, names, rotation=60, ha="right", fontsize=8)
    for bones, text in {4: "4", 3: "3", 2: "2 bones each", 1: "1 bone each"}.items():
        bars = degrees[order] == bones
        axes.text(float(places[bars].float().mean()), float(shares[0, order[bars]].max()) + 0.02, text, ha="center")
    axes.set(ylabel="share of draws that hide it", ylim=(0, 0.72), xlim=(-0.8, 24.8))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc=(0.6, 0.6))
    return figure


if __name__ == "__main__":
    write(central_spatial_mask_draws, central_spatial_mask_shares)
