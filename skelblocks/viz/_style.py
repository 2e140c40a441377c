"""The common style of the pictures: figures without global state, colors, text, plain frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.escape import escape
from skelblocks._utils.missing import refuse_missing
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

_LARGEST = 1e100
_LONGEST_NAME, _LONGEST_TITLE = 48, 240  # characters; longer ones make pictures that no renderer takes


def new_figure(*, width: float, height: float, title: str | None = None) -> Figure:
    """A figure that pyplot does not know: nothing to close, no window, safe in threads."""
    layout = require("matplotlib.layout_engine", extra="viz").ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure: Figure = require("matplotlib.figure", extra="viz").Figure(figsize=(width, height), layout=layout, dpi=120)
    if title:
        figure.suptitle(title_of(title), color=INK, fontsize=12)
    return figure


def name_of(text: object) -> str:
    """A name from data on one line, without control characters, and short enough to draw."""
    return escape(text, to="picture", longest=_LONGEST_NAME)


def title_of(text: object) -> str:
    """A title, whose line breaks are kept."""
    return "\n".join(escape(line, to="picture", longest=_LONGEST_TITLE) for line in str(text).split("\n"))


def finished(figure: Figure) -> Figure:
    """Draw every text literally, without interpreting dollar signs or TeX as mathematics.

    Numbers at the axes keep matplotlib's mathematics, which it needs for powers of ten.
    """
    ticker = require("matplotlib.ticker", extra="viz")
    numbers = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if isinstance(axis.get_major_formatter(), ticker.ScalarFormatter | ticker.LogFormatter)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }
    for text in figure.findobj(require("matplotlib.text", extra="viz").Text):
        if id(text) not in numbers:
            text.set_parse_math(False)
            text.set_usetex(False)
    return figure


def plain(axes: Axes) -> None:
    """Keep the left and lower line and a pale grid of a diagram."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def range_of_colors(limits: tuple[float, float] | None, low: float, high: float) -> dict[str, Any]:
    """The palette and its range: the requested limits, or from 0 or less to the greatest number."""
    if limits is not None:
        if np.shape(limits) != (2,) or not np.isfinite(limits).all() or limits[0] > limits[1]:
            raise ValueError(f"limits: expected two finite numbers (low, high) with low <= high, got {limits}")
        low, high = limits
    else:
        low = min(0.0, low)
    return {"cmap": "magma_r", "vmin": low, "vmax": high if high > low else low + 1}


def to_array(x: Tensor | NDArray[Any] | Sequence[Any] | float, *, name: str, drawn: bool = True) -> NDArray[Any]:
    """Convert a tensor on any device, an array or numbers to an array. Missing values, NaN and infinity are rejected.

    Numbers that are too large for matplotlib are rejected too, if they are drawn directly.
    """
    if isinstance(x, Tensor):
        held = x.detach().cpu()
        x = (held.float() if held.dtype in (torch.bfloat16, torch.float16) else held).numpy()
    elif isinstance(x, np.ma.MaskedArray):
        refuse_missing(x, name=name)
    values = np.asarray(x)
    if not np.issubdtype(values.dtype, np.number):
        got = type(x).__name__ if values.dtype == object else str(values.dtype)
        raise TypeError(f"{name}: expected numbers, got {got}; pass a tensor or an array of numbers")
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity, which cannot be drawn; leave them out")
    if drawn and values.size and float(np.abs(values.astype(np.float64)).max()) > _LARGEST:
        raise ValueError(
            f"{name}: expected numbers up to {_LARGEST:g}, got larger ones, which cannot be drawn; scale them"
        )
    return values


def to_labels(x: Tensor | NDArray[Any] | Sequence[int], *, name: str, n: int | None = None) -> NDArray[np.int64]:
    """Classes ``(n,)``, integers from 0."""
    values = to_array(x, name=name)
    sizes = values.ndim == 1 and values.size > 0 and n in (None, len(values))
    if not sizes or not np.issubdtype(values.dtype, np.integer) or values.min() < 0:
        expected = "integers (n,) from 0" if n is None else f"{n} integers from 0, one for each sample"
        raise ValueError(f"{name}: expected {expected}, got {values.dtype} of shape {values.shape}")
    return values.astype(np.int64)


def to_names(class_names: Sequence[str] | None, classes: int, *, exact: bool) -> list[str]:
    """One name for each class as it is drawn, by default its number."""
    if class_names is None:
        return [str(i) for i in range(classes)]
    if isinstance(class_names, str):
        raise TypeError(f"class_names: expected a list of names, got the string {class_names!r}; pass a list")
    if len(class_names) < classes or (exact and len(class_names) != classes):
        raise ValueError(
            f"class_names: expected a name for each of {classes} classes, got {len(class_names)}; name every class"
        )
    return [name_of(name) for name in class_names]


def check_by_name(values: Mapping[str, Any], *, name: str, of: str, example: str) -> None:
    """Raise ``TypeError`` unless ``values`` is a dict, ``ValueError`` if it is empty."""
    argument: object = values
    if not isinstance(argument, Mapping):
        raise TypeError(f"{name}: expected a dict of {of} by name, got {type(argument).__name__}; pass {example}")
    if not argument:
        raise ValueError(f"{name}: expected at least one of the {of}, got an empty dict; pass {example}")


def to_mask(hidden: Tensor | NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which joints are hidden, as an array of booleans."""
    if isinstance(hidden, np.ma.MaskedArray):
        refuse_missing(hidden, name="hidden")
    mask = hidden.detach().cpu().numpy() if isinstance(hidden, Tensor) else np.asarray(hidden)
    if mask.dtype != np.bool_:
        raise TypeError(f"hidden: expected booleans, got {mask.dtype}; convert it, for instance with hidden != 0")
    return mask
