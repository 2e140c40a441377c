"""The picture of docs/blocks/nearest-neighbor-mining.md: which columns count as positives, and who named them."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from skelblocks import contrastive_logits, recipes
from skelblocks.contrast import unit_rows
from skelblocks.losses import nearest_neighbor_mask

COLORS = {
    "negative": "#f0f0ee",
    "key": "#333333",
    "named by the query": "#0072b2",
    "named by the extreme view": "#d55e00",
    "named by both": "#009e73",
}


@torch.no_grad()
def nearest_neighbor_mining_mask() -> Figure:
    x = clips()  # eight kinds of motion, three clips of each
    normal, extreme = recipes.weak(), recipes.aimclr_extreme(LAYOUT)
    first, rest = x[::3], torch.cat((x[1::3], x[2::3]), dim=0)
    rest = rest.unflatten(0, (2, 8)).transpose(0, 1).flatten(0, 1)  # the bank: two clips of each kind
    views = torch.cat((normal(first), normal(first), extreme(first), rest))
    spectrum = torch.fft.rfft(views, dim=2).abs()[:, :, 1:8].flatten(1)  # stands in for an encoder
    query, key, strong, bank = unit_rows(spectrum - spectrum.mean(dim=0)).split([8, 8, 8, 16])

    branches = [contrastive_logits(embedding, key, bank, temperature=0.07) for embedding in (query, strong)]
    by_query, by_strong = (nearest_neighbor_mask([logits], top_k=1) for logits in branches)
    named = torch.where(by_query & by_strong, 4, torch.where(by_query, 2, torch.where(by_strong, 3, 0)))
    named[:, 0] = 1

    figure = Figure(figsize=(8.8, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.pcolormesh(named, cmap=ListedColormap(list(COLORS.values())), vmin=0, vmax=4, edgecolors="white", linewidth=2)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_xticks([0.5, *(2 + 2 * i for i in range(8))], ["key", *range(8)])
    axes.set_yticks([0.5 + i for i in range(8)], range(8))
    axes.set_xlabel("kind of motion of the bank's row")
    axes.set_ylabel("kind of motion of the query")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    handles = [Patch(color=color, label=name) for name, color in COLORS.items()]
    figure.legend(handles=handles, loc="outside right center", frameon=False)
    return figure


if __name__ == "__main__":
    write(nearest_neighbor_mining_mask)
