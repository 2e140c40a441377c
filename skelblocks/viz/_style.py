"""What the pictures have in common: figures that no global state knows of, colours, plain frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#333333"
GRID = "#e6e6e6"
PALE = "#f6f6f4"
MARKERS = "os^DvP*X"
# Distinguishable for most eyes, after Okabe and Ito, and dark enough on white.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f4fc9", "#8c564b", "#7a7a00", "#555555")


def new_figure(*, width: float, height: float, title: str | None = None) -> Figure:
    """A figure that pyplot knows nothing of: nothing to close, no window, safe in threads."""
    layout = require("matplotlib.layout_engine", extra="viz").ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure: Figure = require("matplotlib.figure", extra="viz").Figure(figsize=(width, height), layout=layout, dpi=120)
    if title:
        figure.suptitle(title, color=INK, fontsize=12)
    return figure


def as_written(text: object) -> str:
    """A name from data, whose dollar signs are dollars: matplotlib would set what is between two as mathematics."""
    return str(text).replace("$", r"\$")


def plain(axes: Axes) -> None:
    """Keep the left and lower line and pale grid of a diagram."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def to_array(x: Tensor | NDArray[Any] | Sequence[Any] | float, *, name: str) -> NDArray[Any]:
    """A tensor, wherever it is, an array or numbers, as an array; NaN and infinity are refused."""
    if isinstance(x, Tensor):
        x = x.detach().cpu()
        x = x.float().numpy() if x.is_floating_point() else x.numpy()
    values = np.asarray(x)
    if not np.issubdtype(values.dtype, np.number):
        raise TypeError(f"{name}: expected numbers, got {values.dtype}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: NaN or infinite numbers cannot be drawn")
    return values
