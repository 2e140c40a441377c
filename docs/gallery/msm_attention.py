"""What MsM attention looks at: the nodes of its three scales, and frames that attend to frames."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure
from torch import nn

from skelblocks import STGCN, MsMAttention, layouts, pool, viz

x, labels = clips(), torch.arange(8).repeat_interleave(3)
torch.manual_seed(0)
encoder, classifier = STGCN(LAYOUT, base_channels=8, out_channels=64, dropout=0.0), nn.Linear(64, 8)
attend = MsMAttention(64, layout=LAYOUT)
optimizer = torch.optim.Adam([*encoder.parameters(), *attend.parameters(), *classifier.parameters()], lr=3e-3)
for _ in range(10):  # labels, for some seconds: features that depend on the clip
    loss = sum(nn.functional.cross_entropy(classifier(pool(y)), labels) for y in attend(encoder(x)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
encoder.eval()
with torch.no_grad():
    feature_map = encoder(x)  # (N, M, C, T', V)


def msm_attention_scales() -> Figure:
    layout = layouts.get(LAYOUT)
    body = x[0, :2, 0, :, 0]  # the view from the front, (2, V)
    with torch.no_grad():
        _, attention = attend(feature_map, return_attention=True)
    figure = Figure(figsize=(8.8, 6.2), layout="constrained")
    panels = figure.subplots(2, 3, height_ratios=(1.2, 1))
    limit = max(weights[0, 0].max().item() for weights in attention)
    for above, below, name, weights in zip(*panels, attend.scales, attention, strict=True):
        for i, j in layout.edges:
            above.plot(*body[:, [i, j]], color="#b0b0b0", linewidth=1.5, zorder=1)
        nodes = body if name == "joint" else body @ layouts.pooling_matrix(layout, scale=name)
        above.scatter(*nodes, s=60, c=range(nodes.shape[1]), cmap="viridis", edgecolor="#333333", zorder=2)
        above.set(title=f"{name}: {nodes.shape[1]} nodes", aspect="equal")
        above.margins(x=0.4)
        above.axis("off")
        image = below.imshow(weights[0, 0], cmap="magma_r", vmin=0, vmax=limit)
        below.set(xlabel="attended frame", ylabel="frame" if name == "joint" else "")
    figure.colorbar(image, ax=panels[1], label="weight")
    return figure


def msm_attention_options() -> Figure:
    options = {
        "default": {},
        'boundary="zero_difference"': {"boundary": "zero_difference"},
        'similarity="cosine"': {"similarity": "cosine"},
        "cosine, scale=5": {"similarity": "cosine", "scale": 5.0},
    }
    maps = []
    for arguments in options.values():
        other = MsMAttention(64, layout=LAYOUT, scales=("joint",), **arguments)
        other.load_state_dict(attend.state_dict())  # no option has weights of its own
        with torch.no_grad():
            _, (weights,) = other(feature_map, return_attention=True)
        maps.append(weights[0, 0])
    return viz.attention_map(maps, names=list(options))


if __name__ == "__main__":
    write(msm_attention_scales, msm_attention_options)
