"""The picture of docs/blocks/region-contrast.md: each side of a mixed clip finds a key of its own."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks.contrast import unit_rows
from skelblocks.losses import region_contrast


def trained(sides: Tensor, key: Tensor, partner: Tensor, bank: Tensor, *, steps: int) -> Tensor:
    """Embeddings (2, n, d) of pasted regions and of the rest, after some steps."""
    sides = sides.clone().requires_grad_()
    optimizer = torch.optim.SGD([sides], lr=2.0)
    for _ in range(steps):
        loss = region_contrast(*sides, key, partner, bank)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return unit_rows(sides.detach().flatten(0, 1)).view_as(sides)


def region_contrast_keys() -> Figure:
    n = 8
    partner = (torch.arange(n) + 3) % n
    key, bank = unit_rows(torch.randn(n, 32)), unit_rows(torch.randn(512, 32))
    sides = key + key[partner] + 0.3 * torch.randn(2, n, 32)  # not told apart yet
    targets = {"pasted region": partner, "rest": torch.arange(n)}
    figure = Figure(figsize=(7.2, 6.6), layout="constrained")
    (first, second), (third, fourth) = figure.subplots(2, 2)
    for steps, pair in ((0, (first, second)), (100, (third, fourth))):
        after = trained(sides, key, partner, bank, steps=steps)
        for axes, (name, target), side in zip(pair, targets.items(), after, strict=True):
            image = axes.imshow(side @ key.T, cmap="RdBu_r", vmin=-1, vmax=1)
            axes.plot(target, range(n), "s", markeredgecolor="black", color="none", markersize=21, linestyle="")
            axes.set_title(f"{name}, {steps} steps", fontsize=11)
            axes.set_xlabel("key of clip", fontsize=10)
            axes.set_xticks(range(n))
            axes.set_yticks(range(n))
            axes.tick_params(length=0, labelsize=9)
    for axes in (first, third):
        axes.set_ylabel("mixed clip", fontsize=10)
    figure.colorbar(image, ax=(first, second, third, fourth), label="cosine", shrink=0.6)
    return figure


if __name__ == "__main__":
    write(region_contrast_keys)
