"""The picture of docs/blocks/hierarchical-d3m-loss.md: what a chain passes on, step by step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from common import write
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks import contrastive_logits, d3m_loss, viz
from skelblocks.contrast import unit_rows
from skelblocks.losses import hierarchical_d3m_loss


def divergences(loss: Callable[[Tensor, Tensor, Tensor], Tensor], *, steps: int = 120) -> dict[str, list[float]]:
    """Kullback-Leibler divergences between three levels, whose embeddings are trained by a loss of their logits."""
    torch.manual_seed(0)
    basic, normal, masked = embeddings = [x.requires_grad_() for x in unit_rows(torch.randn(3 * 8, 32)).split(8)]
    key, bank = basic.detach().clone(), unit_rows(torch.randn(64, 32))
    optimizer = torch.optim.SGD(embeddings, lr=0.5)
    history: dict[str, list[float]] = {"basic, normal": [], "normal, masked": [], "basic, masked": []}
    for _ in range(steps):
        logits = [contrastive_logits(x, key, bank, temperature=0.2) for x in (basic, normal, masked)]
        for values, (a, b) in zip(history.values(), ((0, 1), (1, 2), (0, 2)), strict=True):
            values.append((d3m_loss([logits[b]], logits[a]) - d3m_loss([logits[a]], logits[a])).item())
        optimizer.zero_grad()
        loss(*logits).backward()
        optimizer.step()
    return history


def hierarchical_d3m_loss_chain() -> Figure:
    chain = divergences(lambda basic, normal, masked: hierarchical_d3m_loss([basic, normal, masked]))
    star = divergences(lambda basic, normal, masked: d3m_loss([normal, masked], basic))
    series = {f"{name} (chain)": values for name, values in chain.items()}
    series["basic, masked (d3m_loss)"] = star["basic, masked"]
    return viz.curves(series, xlabel="step", ylabel="Kullback-Leibler divergence")


if __name__ == "__main__":
    write(hierarchical_d3m_loss_chain)
