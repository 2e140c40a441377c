"""The road of a clip through MsMCLR, for the README: ``python docs/gallery/road.py docs`` writes ``docs/road.png``."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib import patches
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks import layouts, recipes

layout = layouts.get(LAYOUT)
PART = {joint: part for part, group in enumerate(layout.parts) for joint in group.joints}
SEED = 7  # a strong view that still shows the body
BLUE, ORANGE, GREY = "#2b6cb0", "#c05621", "#4a5568"


def skeleton(axes: Axes, x: Tensor, *, left: float, bottom: float, scale: float = 0.5) -> None:
    """Frames (C, T, V) beside each other, as seen from the front."""
    for place, frame in enumerate(x[:2, [4, 14, 26]].permute(1, 0, 2)):
        middle = frame.median(dim=1).values
        across, up = (frame - middle[:, None]) * scale + torch.tensor([[left + 0.85 * place], [bottom]])
        for joint, other in layout.edges:
            color = f"C{PART[joint] % 10}"
            axes.plot(across[[joint, other]], up[[joint, other]], color=color, linewidth=1.6, solid_capstyle="round")


def box(axes: Axes, text: str, *, left: float, bottom: float, width: float, color: str, height: float = 0.62) -> None:
    """A block with its name."""
    shape = patches.FancyBboxPatch(
        (left, bottom - height / 2), width, height, boxstyle="round,pad=0.03", edgecolor=color, facecolor=color + "18"
    )
    axes.add_patch(shape)
    axes.text(left + width / 2, bottom, text, ha="center", va="center", fontsize=9.5, color="#1a202c")


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str = GREY) -> None:
    """From one block to the next."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.1})


def road() -> Figure:
    clip = clips()[3]
    generator = torch.Generator().manual_seed(SEED)
    strong = recipes.msmclr_strong(LAYOUT)(clip[None], generator=generator)[0]
    mild = recipes.weak()(clip[None], generator=generator)[0]
    other = recipes.weak()(clip[None], generator=generator)[0]
    figure = Figure(figsize=(12, 4.3))
    axes = figure.add_axes((0.005, 0.01, 0.99, 0.98))
    axes.set(xlim=(0, 15.6), ylim=(-0.35, 5.2), aspect="equal")
    axes.axis("off")
    skeleton(axes, clip[..., 0], left=0.5, bottom=2.55)
    axes.text(1.35, 3.5, "clip (N, C, T, V, M)", ha="center", fontsize=9.5)
    rows = ((4.2, "recipes.msmclr_strong", strong), (2.55, "recipes.weak", mild), (0.75, "recipes.weak", other))
    for height, name, view in rows:
        arrow(axes, (2.6, 2.55 + 0.25 * (height - 2.55)), (3.1, height))
        skeleton(axes, view[..., 0], left=3.65, bottom=height)
        axes.text(4.5, height - 0.95, name, ha="center", fontsize=9, color=GREY, family="monospace")
        arrow(axes, (5.85, height), (6.35, height))
        box(axes, "STGCN" if height > 2 else "MomentumEncoder", left=6.4, bottom=height, width=1.8, color=BLUE)
    axes.annotate("", (7.25, 1.12), (7.25, 2.18), arrowprops={"arrowstyle": "-|>", "linestyle": "--", "color": BLUE})
    axes.text(7.35, 1.62, "update", fontsize=9, color=BLUE)
    axes.plot((7.25, 7.25), (2.92, 3.83), color=BLUE, linestyle="--", linewidth=1.1)
    axes.text(7.35, 3.32, "shared weights", fontsize=9, color=BLUE)
    box(axes, "MsMAttention\njoints, parts, bodies", left=8.75, bottom=4.2, width=2.05, color=ORANGE)
    arrow(axes, (8.2, 4.2), (8.7, 4.2))
    for height in (4.2, 2.55, 0.75):
        arrow(axes, (10.85 if height > 4 else 8.2, height), (11.2, height))
        box(axes, "pool, head", left=11.25, bottom=height, width=1.05, color=BLUE)
    box(axes, "MomentumQueue", left=13.35, bottom=0.75, width=1.75, color=ORANGE)
    arrow(axes, (12.35, 0.75), (13.3, 0.75))
    axes.text(12.8, 0.88, "enqueue", fontsize=9, ha="center", color=GREY)
    box(axes, "d3m_loss", left=13.35, bottom=4.2, width=1.75, color=ORANGE)
    box(axes, "info_nce", left=13.35, bottom=2.55, width=1.75, color=ORANGE)
    arrow(axes, (12.35, 4.2), (13.3, 4.2))
    arrow(axes, (12.35, 2.55), (13.3, 2.55))
    arrow(axes, (12.35, 2.75), (13.3, 3.95))
    axes.text(12.72, 3.5, "teaches", fontsize=9, ha="right", color=GREY)
    arrow(axes, (12.35, 0.95), (13.3, 2.25))
    axes.text(12.85, 1.75, "keys", fontsize=9, ha="right", color=GREY)
    arrow(axes, (14.22, 1.12), (14.22, 2.18))
    axes.text(14.32, 1.62, "bank", fontsize=9, color=GREY)
    return figure


if __name__ == "__main__":
    write(road)
