"""What the temperature does to the softmax over the positive and the bank."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure

from skelblocks import MomentumQueue, contrastive_logits, viz


def contrastive_logits_temperature() -> Figure:
    bank = MomentumQueue(128, size=32768).bank  # random unit rows
    query = torch.randn(1, 128)
    key = query + query.norm() * torch.nn.functional.normalize(torch.randn(1, 128))  # a cosine of about 0.7
    series = {}
    for temperature in (0.07, 0.2, 1.0):
        logits = contrastive_logits(query, key, bank, temperature=temperature)[0]
        share = logits.softmax(dim=0)
        ranked = torch.cat((share[:1], share[1:].sort(descending=True).values))
        series[f"temperature {temperature:g}"] = (torch.arange(1, len(ranked) + 1), ranked)
    figure = viz.curves(series, xlabel="rank: 1 is the key, then the bank's rows", ylabel="softmax", log=True)
    figure.axes[0].set_xscale("log")
    return figure


if __name__ == "__main__":
    write(contrastive_logits_temperature)
