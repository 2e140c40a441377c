"""The picture of docs/blocks/projection-head.md."""

from __future__ import annotations

from common import write
from matplotlib.figure import Figure
from torch import nn

from skelblocks import BarlowProjector, ProjectionHead

COLORS = {nn.Linear: "#0072b2", nn.BatchNorm1d: "#e69f00", nn.ReLU: "#009e73"}


def projection_head_layers() -> Figure:
    heads = {
        "ProjectionHead(hidden_layers=0)": ProjectionHead(hidden_layers=0),
        "ProjectionHead()": ProjectionHead(),
        "ProjectionHead(batch_norm=True)": ProjectionHead(batch_norm=True),
        "ProjectionHead(hidden_layers=2)": ProjectionHead(hidden_layers=2),
        "BarlowProjector()": BarlowProjector(),
    }
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for row, head in enumerate(heads.values()):
        for place, layer in enumerate(head.layers):
            text = {nn.BatchNorm1d: "norm", nn.ReLU: "ReLU"}.get(type(layer), "")
            if isinstance(layer, nn.Linear):
                text = f"{layer.in_features}\nto {layer.out_features}"
            axes.barh(row, 0.94, left=place, height=0.6, color=COLORS[type(layer)])
            axes.text(place + 0.47, row, text, ha="center", va="center", color="white", fontsize=8)
        parameters = sum(parameter.numel() for parameter in head.parameters())
        axes.text(len(head.layers) + 0.1, row, f"{parameters:,} parameters", va="center", fontsize=9)
    axes.set(yticks=range(len(heads)), yticklabels=heads, xticks=[], xlim=(0, 9.2))
    axes.tick_params(length=0, labelsize=9)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    return figure


if __name__ == "__main__":
    write(projection_head_layers)
