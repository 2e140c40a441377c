"""The picture of docs/blocks/salient-contrast.md: two queries on the circle, with and without the further negative."""

from __future__ import annotations

import math

import torch
from common import write
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks.contrast import unit_rows
from skelblocks.losses import salient_contrast

COLORS = {"salient": "#d55e00", "rest": "#0072b2"}


def on_circle(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees) * math.pi / 180
    return torch.stack((angles.cos(), angles.sin()), dim=1)


def trained(keys: tuple[Tensor, Tensor], bank: Tensor, *, steps: int, hard_negative: bool) -> list[Tensor]:
    """Salient query and the rest's, after some steps."""
    queries = [on_circle(20).requires_grad_(), on_circle(150).requires_grad_()]
    optimizer = torch.optim.SGD(queries, lr=0.05)
    for _ in range(steps):
        loss = salient_contrast(*queries, *keys, bank, hard_negative=hard_negative)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [unit_rows(query.detach()) for query in queries]


def salient_contrast_circle() -> Figure:
    keys, bank = (on_circle(75), on_circle(105)), on_circle(*range(190, 360, 12))
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = {"at first": (0, True), "400 steps,\nhard_negative=False": (400, False), "400 steps": (400, True)}
    for axes, (title, (steps, hard_negative)) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        queries = trained(keys, bank, steps=steps, hard_negative=hard_negative)
        axes.plot(*on_circle(*range(361)).T, color="#cccccc", linewidth=1)
        axes.plot(*bank.T, "o", color="#999999", markersize=5, label="bank")
        for (name, color), key, query in zip(COLORS.items(), keys, queries, strict=True):
            axes.plot([0, query[0, 0]], [0, query[0, 1]], color=color, linewidth=1.5)
            axes.plot(*query.T, "o", color=color, markersize=9, label=f"query, {name}")
            axes.plot(*key.T, "s", markeredgecolor=color, color="none", markersize=13, label=f"key, {name}")
        angle = math.degrees(math.acos(float(queries[0][0] @ queries[1][0])))
        axes.set_title(title, fontsize=9.5)
        axes.text(0, -0.35, f"{angle:.0f} degrees apart", ha="center", fontsize=10)
        axes.set_aspect("equal")
        axes.axis("off")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", frameon=False, labelspacing=1.0)
    return figure


if __name__ == "__main__":
    write(salient_contrast_circle)
