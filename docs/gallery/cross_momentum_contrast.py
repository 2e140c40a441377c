"""The picture of docs/blocks/cross-momentum-contrast.md: three forms of the loss, and how they share their pull."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skelblocks.contrast import unit_rows
from skelblocks.losses import cross_momentum_contrast

FORMS = {
    "ratio (eq. 5)": {"combine": "ratio"},
    "ratio, positives in the denominator too": {"combine": "ratio", "denominator": "pos+neg"},
    "two cross-entropies": {"combine": "sum_ce"},
}
COLORS = ("#0072b2", "#d55e00", "#009e73")


def cross_momentum_contrast_forms() -> Figure:
    cosines = torch.linspace(0.0, 1.0, 101)
    banks = unit_rows(torch.randn(2 * 16384, 128)).split(16384)
    axis, other = torch.eye(128)[:2]
    query_mlp = axis.expand(101, 128)
    key_base = (0.5 * axis + 0.75**0.5 * other).expand(101, 128)  # r meets k at a cosine of 0.5 throughout
    query_base = axis.expand(101, 128)
    key_mlp = cosines[:, None] * axis + (1 - cosines.square()).sqrt()[:, None] * other
    figure = Figure(figsize=(8.8, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, options), color in zip(FORMS.items(), COLORS, strict=True):
        q, r = query_base.clone().requires_grad_(), query_mlp.clone().requires_grad_()
        losses = [
            cross_momentum_contrast(q[i, None], r[i, None], key_base[i, None], key_mlp[i, None], *banks, **options)
            for i in range(101)
        ]
        torch.stack(losses).sum().backward()
        left.plot(cosines, torch.stack(losses).detach(), color=color, linewidth=2, label=name)
        right.plot(cosines, q.grad.norm(dim=1), color=color, linewidth=2)
        right.plot(cosines, r.grad.norm(dim=1), color=color, linewidth=2, linestyle="--")
    left.axhline(0, color="#999999", linewidth=0.8)
    left.set_title("loss")
    right.set_title("how strongly it pulls: length of the gradient")
    for axes in (left, right):
        axes.axvline(0.5, color="#999999", linewidth=0.8, linestyle=":")
        axes.set_xlabel("cosine of q and l (r and k stay at 0.5)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#ececec", linewidth=0.8)
    strokes = [Line2D([], [], color="#333333", linewidth=2, linestyle=style) for style in ("-", "--")]
    right.legend(strokes, ("on q", "on r"), frameon=False, loc="upper right", bbox_to_anchor=(1.0, 0.8))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    write(cross_momentum_contrast_forms)
