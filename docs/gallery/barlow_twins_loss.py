"""The picture of docs/blocks/barlow-twins-loss.md: the cross-correlation of two views on its way to the identity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from common import write
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks.losses import barlow_twins_loss


def trained(weight: Tensor, views: Sequence[Tensor], *, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Both views under a linear map that was trained for some steps, and the loss there."""
    weight = weight.clone().requires_grad_()
    optimizer = torch.optim.Adam([weight], lr=0.02)
    for _ in range(steps):
        loss = barlow_twins_loss(views[0] @ weight, views[1] @ weight, off_diagonal_weight=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    first, second = (view @ weight.detach() for view in views)
    return first, second, barlow_twins_loss(first, second, off_diagonal_weight=0.05)


def barlow_twins_loss_steps() -> Figure:
    content = torch.randn(256, 16)
    views = [torch.cat((content, torch.randn(256, 16)), dim=1) for _ in range(2)]  # what is shared, and what is not
    weight = torch.randn(32, 12) / 32**0.5
    figure = Figure(figsize=(8.8, 3.1), layout="constrained")
    columns = figure.subplots(1, 3)
    for axes, steps in zip(columns, (0, 20, 300), strict=True):
        first, second, loss = trained(weight, views, steps=steps)
        correlation = torch.corrcoef(torch.cat((first, second), dim=1).T)[:12, 12:]
        image = axes.imshow(correlation, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(f"after {steps} steps, loss {loss.item():.2f}", fontsize=11)
        axes.set_xlabel("feature of the second view", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    columns[0].set_ylabel("feature of the first view", fontsize=10)
    figure.colorbar(image, ax=columns, label="correlation", shrink=0.9)
    return figure


if __name__ == "__main__":
    write(barlow_twins_loss_steps)
