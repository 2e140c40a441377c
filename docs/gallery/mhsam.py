"""What the sharpness of SkeAttnCLR's soft mask does, from a mask trained on labels for some seconds."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure
from torch import nn

from skelblocks import MHSAM, STGCN, pool

x, labels = clips(), torch.arange(8).repeat_interleave(3)
torch.manual_seed(0)
encoder, classifier = STGCN(LAYOUT, base_channels=8, out_channels=64, dropout=0.0), nn.Linear(64, 8)
salience = MHSAM(64, num_heads=8)
optimizer = torch.optim.Adam([*encoder.parameters(), *salience.parameters(), *classifier.parameters()], lr=3e-3)
for _ in range(10):
    feature_map = encoder(x)
    loss = nn.functional.cross_entropy(classifier(pool(salience(feature_map) * feature_map)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def mhsam_sharpness() -> Figure:
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    panels = figure.subplots(2, 5, sharey="row", height_ratios=(1.6, 1))
    with torch.no_grad():
        feature_map = encoder.eval()(x)
        order = salience(feature_map)[0, 0, :, 4].mean(dim=1).argsort(descending=True)  # the most salient channel first
        for above, below, sharpness in zip(*panels, (0.5, 1.0, 2.0, 4.0, 8.0), strict=True):
            salience.sharpness = sharpness  # no weight depends on it
            mask = salience(feature_map)  # (N, M, C, T', V)
            image = above.imshow(
                mask[0, 0, order, 4], cmap="magma_r", vmin=0, vmax=1, aspect="auto"
            )  # a step of a clip
            above.set_title(f"sharpness {sharpness:g}" if sharpness != 2 else "2, the default", fontsize=10.5)
            above.set_xlabel("joint")
            below.hist(mask.flatten(), bins=20, range=(0, 1), color="#0072b2", density=True)
            below.set(xlabel="value of the mask", xlim=(0, 1), xticks=[0, 0.5, 1], yticks=[])
            below.spines[["top", "right", "left"]].set_visible(False)
    panels[0, 0].set_ylabel("channel, most salient first")
    panels[1, 0].set_ylabel("how often")
    figure.colorbar(image, ax=panels[0], label="mask", aspect=14)
    return figure


if __name__ == "__main__":
    write(mhsam_sharpness)
