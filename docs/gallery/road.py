"""The road of a clip through MsMCLR, for the README: views, blocks, losses, and what the encoder is good for."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch
from torch import Tensor

from skelblocks import layouts, recipes
from skelblocks.viz._bodies import Look, groups_of

layout = layouts.get(LAYOUT)
SEED = 7  # a strong view that still shows the body
GROUPS, LIMBS = groups_of(Look(layout))
LIMB = {joint: color for color, joints in zip(LIMBS, GROUPS.values(), strict=True) for joint in joints}
INK, GRAY = "#1a202c", "#4a5568"
KINDS = {"trained": "#cfe2f3", "momentum copy": "#d9ead3", "no weights": "#eceff1", "loss": "#f4cccc"}
# Of docs/results.md: NW-UCLA, the neighbor column. A test compares them.
RESULTS = {"raw coordinates": 46.1, "a random transform": 70.0, "adapted by MsMCLR": 81.2}


def skeleton(axes: Axes, x: Tensor, *, left: float, bottom: float) -> None:
    """Frames (C, T, V) beside each other, as seen from the front."""
    for place, frame in enumerate(x[:2, [4, 14, 26]].permute(1, 0, 2)):
        middle = frame.median(dim=1).values
        across, up = (frame - middle[:, None]) * 0.42 + torch.tensor([[left + 0.45 * place], [bottom]])
        for joint, other in layout.edges:
            outer = other if layout.parents[other] == joint else joint
            axes.plot(across[[joint, other]], up[[joint, other]], color=LIMB[outer], lw=1.5, solid_capstyle="round")


def box(axes: Axes, text: str, *, at: tuple[float, float], width: float, kind: str, height: float = 0.46) -> None:
    """A block with its name, around a point."""
    corner = (at[0] - width / 2, at[1] - height / 2)
    style = "round,pad=0,rounding_size=0.07"
    axes.add_patch(FancyBboxPatch(corner, width, height, style, facecolor=KINDS[kind], edgecolor="0.35", lw=0.9))
    axes.text(*at, text, ha="center", va="center", fontsize=8.6, color=INK, linespacing=1.1)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False) -> None:
    """From one block to the next."""
    look = {"arrowstyle": "-|>", "color": GRAY, "lw": 1.1, "ls": "--" if dashed else "-", "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=look)


def note(axes: Axes, text: str, at: tuple[float, float], *, ha: str = "center", size: float = 8.2) -> None:
    """What an arrow or a row means."""
    axes.text(*at, text, ha=ha, va="center", fontsize=size, color=GRAY)


def road() -> Figure:
    clip = clips()[3]
    generator = torch.Generator().manual_seed(SEED)
    strong = recipes.msmclr_strong(LAYOUT)(clip[None], generator=generator)[0]
    query, key = (recipes.weak()(clip[None], generator=generator)[0] for _ in range(2))
    figure = Figure(figsize=(9, 5.5))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 9), ylim=(0, 5.5))
    axes.axis("off")
    top, middle, low = rows = (4.7, 3.5, 2.3)
    skeleton(axes, clip[..., 0], left=0.35, bottom=middle)
    note(axes, "a clip", (0.8, middle + 0.6))
    for height, name, view in zip(
        rows, ("strong view", "weak view", "another weak view"), (strong, query, key), strict=True
    ):
        arrow(axes, (1.5, middle + 0.3 * (height - middle)), (1.85, height))
        skeleton(axes, view[..., 0], left=2.2, bottom=height)
        note(axes, name, (2.65, height + 0.6))
        arrow(axes, (3.3, height), (3.55, height))
    for height in (top, middle):
        box(axes, "STGCN", at=(4.05, height), width=0.95, kind="trained")
    axes.plot((4.05, 4.05), (middle + 0.25, top - 0.25), color=GRAY, ls="--", lw=1.1)
    note(axes, "the same", (4.12, (top + middle) / 2), ha="left")
    box(axes, "Momentum-\nEncoder", at=(4.05, low), width=0.95, kind="momentum copy")
    arrow(axes, (4.05, middle - 0.25), (4.05, low + 0.25), dashed=True)
    note(axes, "follows slowly", (4.12, (middle + low) / 2), ha="left")
    box(axes, "MsMAttention\njoints, parts,\nbodies", at=(5.35, top), width=1.2, kind="trained", height=0.66)
    arrow(axes, (4.53, top), (4.75, top))
    for height, kind in zip(rows, ("trained", "trained", "momentum copy"), strict=True):
        arrow(axes, (5.95 if height == top else 4.53, height), (6.15, height))
        box(axes, "pool, head", at=(6.6, height), width=0.9, kind=kind)
        arrow(axes, (7.05, height), (7.75, height))
    box(axes, "d3m_loss", at=(8.3, top), width=1.1, kind="loss")
    box(axes, "info_nce", at=(8.3, middle), width=1.1, kind="loss")
    box(axes, "Momentum-\nQueue", at=(8.3, low), width=1.1, kind="no weights")
    arrow(axes, (7.2, middle), (8.0, top - 0.24))
    note(axes, "teaches", (7.5, (top + middle) / 2), ha="right")
    arrow(axes, (7.2, low), (8.0, middle - 0.24))
    note(axes, "positive", (7.5, (middle + low) / 2), ha="right")
    arrow(axes, (8.5, low + 0.24), (8.5, middle - 0.24))
    note(axes, "negatives", (8.45, (middle + low) / 2), ha="right")
    axes.axhline(1.72, color="#cbd5e0", lw=0.8)
    _keys(figure)
    _results(axes, figure)
    return figure


def _keys(figure: Figure) -> None:
    """What the colors of limbs and boxes mean."""
    limbs = [Line2D([], [], color=color, lw=2.2) for color in LIMBS[: len(GROUPS)]]
    look = {"frameon": False, "fontsize": 8.2, "labelcolor": INK, "handlelength": 1.3, "labelspacing": 0.3}
    figure.legend(
        limbs, [name.replace("_", " ") for name in GROUPS], loc="upper left", bbox_to_anchor=(0.01, 0.3), **look
    )
    boxes = [Patch(facecolor=color, edgecolor="0.35") for color in KINDS.values()]
    figure.legend(boxes, KINDS, loc="upper left", bbox_to_anchor=(0.14, 0.3), **look)


def _results(axes: Axes, figure: Figure) -> None:
    """What the trained encoder is used for, and how well its features find neighbors."""
    note(axes, "after the training", (4.05, 1.5))
    box(axes, "STGCN", at=(4.05, 1.0), width=0.95, kind="trained")
    note(axes, "features of clips: neighbors,\nlabels from few examples", (4.05, 0.42))
    arrow(axes, (4.53, 1.0), (4.95, 1.0))
    bars = figure.add_axes((0.725, 0.045, 0.24, 0.2))
    bars.barh(range(len(RESULTS)), list(RESULTS.values()), color=("#b8c4ce", "#b8c4ce", "#0072b2"), height=0.7)
    for row, (name, value) in enumerate(RESULTS.items()):
        bars.text(-2, row, name, ha="right", va="center", fontsize=8.6, color=INK)
        bars.text(
            value - 2, row, f"{value:.1f} %", ha="right", va="center", fontsize=8.6, color="white" if row == 2 else INK
        )
    bars.set(xlim=(0, 100), ylim=(len(RESULTS) - 0.5, -0.5), xticks=[], yticks=[])
    bars.spines[["top", "right", "bottom"]].set_visible(False)
    note(axes, "clips of NW-UCLA recognized by their nearest neighbors", (6.95, 1.5))


if __name__ == "__main__":
    write(road)
