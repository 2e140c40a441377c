"""The picture of docs/blocks/cross-view-mining.md: the motion stream names a positive for the joint stream."""

from __future__ import annotations

import torch
from common import clips, write
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks import contrastive_logits, streams
from skelblocks.contrast import unit_rows
from skelblocks.losses import CrossViewPair, cross_view_pair


def task() -> tuple[Tensor, Tensor, CrossViewPair]:
    """Similarities of joint and of motion, and joint's task with the row that motion names."""
    x = clips().roll(-12, dims=0)  # a query of the fifth kind; two more of it come first in the bank
    views = []
    for stream in (x, streams.motion(x)):
        spectrum = torch.fft.rfft(stream, dim=2).abs()[:, :, 1:8].flatten(1)  # stands in for an encoder
        query, bank = unit_rows(spectrum - spectrum.mean(dim=0)).split([1, 23])
        key = query + 0.5 * unit_rows(torch.randn_like(query))
        views.append(contrastive_logits(query, key, bank, temperature=1.0))
    joint, motion = views
    return joint, motion, cross_view_pair(joint, motion, temperature=1.0)


def cross_view_mining_positives() -> Figure:
    joint, motion, pair = task()
    nearest = [1 + int(view[0, 1:].argmax()) for view in (joint, motion)]
    positives = [[0, nearest[0]], [0, nearest[1]], pair.mask[0].nonzero()[:, 0].tolist()]
    figure = Figure(figsize=(8.8, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 2])
    places = {"joint alone": grid[0, 0], "motion alone": grid[1, 0], "joint's task": grid[:, 1]}
    for (name, place), view, chosen in zip(places.items(), (joint, motion, pair.logits), positives, strict=True):
        axes = figure.add_subplot(place)
        colors = ["#d55e00" if column in chosen else "#b5c7d3" for column in range(view.shape[1])]
        axes.bar(range(view.shape[1]), view[0], color=colors)
        axes.axhline(0, color="#333333", linewidth=0.8)
        axes.set_title(name, fontsize=11)
        axes.set_ylabel("similarity")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([0, 12, 35][: 2 + (name == "joint's task")])
        axes.set_xticklabels(["key", "bank's rows", "context: products of the two"][: len(axes.get_xticks())])
        axes.tick_params(axis="x", length=0)
    axes.axvline(23.5, color="#999999", linewidth=0.8, linestyle=":")
    return figure


if __name__ == "__main__":
    write(cross_view_mining_positives)
