"""The picture of docs/blocks/cross-momentum-contrast.md: three forms of the loss, and how they share their pull."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure

from skelblocks.contrast import unit_rows
from skelblocks.losses import cross_momentum_contrast

FORMS = {
    "ratio (eq. 5)": {"combine": "ratio"},
    "ratio, positives below the line": {"combine": "ratio", "denominator": "pos+neg"},
    "two cross-entropies": {"combine": "sum_ce"},
}


def cross_momentum_contrast_forms() -> Figure:
    cosines = torch.linspace(0.0, 1.0, 101)
    banks = unit_rows(torch.randn(2 * 16384, 128)).split(16384)
    axis, other = torch.eye(128)[:2]
    query_mlp = axis.expand(101, 128)
    key_base = (0.5 * axis + 0.75**0.5 * other).expand(101, 128)  # r meets k at a cosine of 0.5 throughout
    query_base = axis.expand(101, 128)
    key_mlp = cosines[:, None] * axis + (1 - cosines.square()).sqrt()[:, None] * other
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, options), color in zip(FORMS.items(), ("#0072b2", "#d55e00", "#009e73"), strict=True):
        q, r = query_base.clone().requires_grad_(), query_mlp.clone().requires_grad_()
        losses = [
            cross_momentum_contrast(q[i, None], r[i, None], key_base[i, None], key_mlp[i, None], *banks, **options)
            for i in range(101)
        ]
        torch.stack(losses).sum().backward()
        left.plot(cosines, torch.stack(losses).detach(), color=color, label=name)
        right.plot(cosines, q.grad.norm(dim=1), color=color, label=name)
        right.plot(cosines, r.grad.norm(dim=1), color=color, linestyle="--")
    left.axhline(0, color="#999999", linewidth=0.8)
    left.set_ylabel("loss")
    right.set_ylabel("gradient's length: q solid, r dashed")
    for axes in (left, right):
        axes.set_xlabel("cosine of q and l, where r and k have 0.5")
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False)
    return figure


if __name__ == "__main__":
    write(cross_momentum_contrast_forms)
