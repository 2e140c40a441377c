"""How copies with several momenta follow a weight."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure
from torch import nn

from skelblocks import MomentumEncoder, viz


def momentum_encoder_lag() -> Figure:
    encoder = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(encoder.weight)
    copies = {f"m = {momentum}": MomentumEncoder(encoder, momentum=momentum) for momentum in (0.9, 0.99, 0.999)}
    weights: dict[str, list[float]] = {"query": [], **{name: [] for name in copies}}
    for step in range(3000):
        with torch.no_grad():  # a noisy way from 0 to 1, where it stays
            encoder.weight.fill_(min(step / 500, 1) + 0.05 * torch.randn(()))
        weights["query"].append(encoder.weight.item())
        for name, copy in copies.items():
            copy.update(encoder)
            weights[name].append(copy.encoder.weight.item())
    return viz.curves(weights, xlabel="step", ylabel="weight")


if __name__ == "__main__":
    write(momentum_encoder_lag)
