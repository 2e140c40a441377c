"""The picture of docs/blocks/bigru.md."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks import BiGRU, viz


@torch.no_grad()
def bigru_reach() -> Figure:
    clip = clips()[6:7, :, ::2]  # (1, C, T, V, M)
    t = clip.shape[2]
    changed = clip.repeat(t, 1, 1, 1, 1)  # the i-th copy has another frame i
    changed[torch.arange(t), :, torch.arange(t)] += 0.5

    def reach(causal: bool) -> Tensor:
        torch.manual_seed(0)
        encoder = BiGRU(LAYOUT, persons=1, hidden_features=32, num_layers=1, causal=causal).eval()
        change = (encoder(changed) - encoder(clip))[:, 0, :, :, 0]  # (frame that was changed, C, T)
        return torch.stack([half.norm(dim=1).T for half in change.chunk(2, dim=1)])

    forward, backward = reach(False)
    maps = {"forward half": forward, "backward half": backward, "causal=True: backward half": reach(True)[1]}
    figure = viz.attention_map(
        list(maps.values()), names=list(maps), xlabel="changed frame of the clip", ylabel="frame of the map"
    )
    figure.axes[-1].set_ylabel("change of the features")
    return figure


if __name__ == "__main__":
    write(bigru_reach)
