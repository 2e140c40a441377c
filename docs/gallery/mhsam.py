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
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    panels = figure.subplots(2, 5, sharey="row", height_ratios=(2, 1))
    with torch.no_grad():
        feature_map = encoder.eval()(x)
        for above, below, sharpness in zip(*panels, (0.5, 1.0, 2.0, 4.0, 8.0), strict=True):
            salience.sharpness = sharpness  # no weight depends on it
            mask = salience(feature_map)  # (N, M, C, T', V)
            image = above.imshow(mask[0, 0, :, 4], cmap="magma_r", vmin=0, vmax=1, aspect="auto")  # one step of a clip
            above.set(title=f"sharpness={sharpness:g}", xlabel="joint")
            below.hist(mask.flatten(), bins=25, range=(0, 1), color="#0072b2")
            below.set(xlabel="mask", xlim=(0, 1), yticks=[])
    panels[0, 0].set_ylabel("channel")
    panels[1, 0].set_ylabel("entries")
    figure.colorbar(image, ax=panels[0], label="mask")
    return figure


if __name__ == "__main__":
    write(mhsam_sharpness)
