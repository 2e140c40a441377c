"""The picture of docs/blocks/pool.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import STGCN, person_mask, pool


@torch.no_grad()
def pool_persons() -> Figure:
    x = clips()
    x = torch.cat((x, torch.zeros_like(x)), dim=4)  # the second person is absent
    encoder = STGCN(LAYOUT, base_channels=8, out_channels=32)
    for _ in range(20):
        encoder(x)  # until the running statistics match the clips
    feature_map = encoder.eval()(x)
    masked, plain = pool(feature_map, person_mask(x)), pool(feature_map)
    absent = feature_map[:1, 1].mean(dim=(2, 3))  # what the encoder gives for somebody who is not there
    middle = masked.mean(dim=0)
    components = torch.linalg.svd(masked - middle).Vh[:2]
    masked, plain, absent = (components @ (each - middle).T for each in (masked, plain, absent))
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.quiver(*masked, *(plain - masked), angles="xy", scale_units="xy", scale=1, width=0.003, color="#aaaaaa")
    axes.plot(*masked, "o", color="#0072b2", markersize=8, label="with the person mask: the person alone")
    axes.plot(*plain, "s", color="#e69f00", markersize=6, label="without: half of the way to the absent person")
    axes.plot(*absent, "*", color="#d55e00", markersize=20, label="the absent person, the same in every clip")
    axes.set(xlabel="first principal component", ylabel="second principal component", xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.08)
    figure.legend(loc="outside upper left", frameon=False)
    return figure


if __name__ == "__main__":
    write(pool_persons)
