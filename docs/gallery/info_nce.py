"""The picture of docs/blocks/info-nce.md: what a temperature asks of the positive's cosine."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure

from skelblocks import viz
from skelblocks.contrast import unit_rows
from skelblocks.losses import info_nce_from_embeddings


def info_nce_temperature() -> Figure:
    cosines = torch.linspace(-0.2, 1.0, 61)
    query, other = torch.eye(128)[:2]
    keys = cosines[:, None] * query + (1 - cosines.square()).sqrt()[:, None] * other
    bank = unit_rows(torch.randn(32768, 128))
    series = {}
    for temperature in (0.07, 0.2, 1.0):
        losses = [
            info_nce_from_embeddings(query[None], key[None], bank, temperature=temperature, chunk_size=8192)
            for key in keys
        ]
        series[f"temperature {temperature}"] = (cosines, torch.stack(losses))
    return viz.curves(series, xlabel="cosine of query and key", ylabel="InfoNCE, 32768 negatives")


if __name__ == "__main__":
    write(info_nce_temperature)
