"""The picture of docs/blocks/stgcn.md."""

from __future__ import annotations

from common import LAYOUT, write
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from skelblocks import layouts

SUBSETS = {
    "spatial": ("itself", "as far or farther", "closer"),
    "spatial_bfs": ("itself", "as far or farther", "closer"),
    "agcn": ("itself", "inward", "outward"),
}


def stgcn_adjacency() -> Figure:
    figure = Figure(figsize=(8.6, 8.8), layout="constrained")
    panels = figure.subplots(3, 3)
    spatial = layouts.adjacency(LAYOUT, strategy="spatial")
    for row, (strategy, names) in zip(panels, SUBSETS.items(), strict=True):
        matrices = layouts.adjacency(LAYOUT, strategy=strategy)  # (S, V, V), from row v to column w
        for panel, matrix, name, other in zip(row, matrices, names, spatial, strict=True):
            image = panel.imshow(matrix, cmap="magma_r", vmin=0, vmax=1, interpolation="nearest")
            if strategy == "spatial_bfs":  # an entry that "spatial" has in another subset
                for v, w in ((matrix > 0) != (other > 0)).nonzero().tolist():
                    panel.add_patch(Rectangle((w - 0.5, v - 0.5), 1, 1, fill=False, edgecolor="#009e73", linewidth=1.5))
            panel.set_title(name, fontsize=10)
            panel.set(xticks=range(0, 25, 4), yticks=range(0, 25, 4))
            panel.tick_params(labelsize=8)
        row[0].set_ylabel(f'"{strategy}"\nsource joint v', fontsize=10)
    for panel in panels[-1]:
        panel.set_xlabel("target joint w", fontsize=10)
    figure.colorbar(image, ax=panels, shrink=0.5, pad=0.02).set_label("weight")
    return figure


if __name__ == "__main__":
    write(stgcn_adjacency)
