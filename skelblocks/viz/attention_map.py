"""Attention matrices as pictures.

Axes: s maps (scales, heads or samples), t tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.optional import require
from skelblocks.viz._style import INK, finished, name_of, new_figure, range_of_colors, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 4  # maps side by side
_WIDEST = 7.8  # of a row, in inches


@explain_arguments
def attention_map(
    attention: Tensor | NDArray[Any] | Sequence[Tensor],
    *,
    names: Sequence[str] | None = None,
    xlabel: str = "attended frame",
    ylabel: str = "frame",
    limits: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw attention matrices side by side, with one color scale.

    Row i shows what token i attends to. ``MsMAttention(..., return_attention=True)`` returns the matrices of a batch.
    Pass the matrices of one person, ``[weights[0, 0] for weights in attention]``, with the scales as names.

    Args:
        attention: ``(t, t)`` or ``(s, t, t)``, or a sequence of ``(t, t)``.
        names: A name for each map.
        xlabel: Label of the columns.
        ylabel: Label of the rows.
        limits: Values of the palest and the darkest color. Default: from 0, or the smallest value if that is negative,
            to the largest value. If the values hardly vary, as in a soft mask, pass their range.
        title: Title of the figure.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        TypeError: The maps do not hold numbers, or are in a dict.
        ValueError: The axes differ, the number of names differs from the number of maps, the limits are in the wrong
            order, or a number is not finite.

    Example:
        >>> import torch
        >>> figure = attention_map(torch.rand(3, 13, 13).softmax(dim=2), names=["joint", "part", "body"])
        >>> [axes.get_title() for axes in figure.axes[:3]]
        ['joint', 'part', 'body']
    """
    if isinstance(attention, Mapping):
        raise TypeError(
            "attention: expected (t, t), (s, t, t) or a sequence of (t, t), got a dict; pass list(attention.values()), "
            "and names=list(attention)"
        )
    if isinstance(attention, Tensor | np.ndarray):
        maps = to_array(attention, name="attention")
        stack = [maps] if maps.ndim == 2 else list(maps)
    else:
        stack = [to_array(matrix, name=f"attention[{i}]") for i, matrix in enumerate(attention)]
    if not stack or any(matrix.ndim != 2 or 0 in matrix.shape for matrix in stack):
        shapes = [matrix.shape for matrix in stack]
        raise ValueError(f"attention: expected (t, t), (s, t, t) or a sequence of (t, t), got {shapes or 'none'}")
    if names is not None and (isinstance(names, str) or len(names) != len(stack)):
        raise ValueError(f"names: expected a list with one for each of {len(stack)} maps, got {names!r}")
    palette = range_of_colors(limits, min(float(m.min()) for m in stack), max(float(m.max()) for m in stack))
    ticker = require("matplotlib.ticker", extra="viz")
    columns = min(len(stack), _ROW)
    rows = -(-len(stack) // columns)
    side = min(2.7, _WIDEST / columns)
    figure = new_figure(width=side * columns + 1.2, height=(side + 0.35) * rows + (0.4 if title else 0.1), title=title)
    panels = [figure.add_subplot(rows, columns, i + 1) for i in range(len(stack))]
    for i, (axes, matrix) in enumerate(zip(panels, stack, strict=True)):
        image = axes.imshow(matrix, interpolation="nearest", **palette)
        axes.tick_params(colors=INK, labelsize=8, length=2)
        axes.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
        axes.spines[:].set_color("#bbbbbb")
        if names is not None:
            axes.set_title(name_of(names[i]), fontsize=10, color=INK)
        if i + columns >= len(stack):
            axes.set_xlabel(name_of(xlabel), fontsize=9, color=INK)
        if i % columns == 0:
            axes.set_ylabel(name_of(ylabel), fontsize=9, color=INK)
    bar = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.02)
    bar.set_label("weight", fontsize=9, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=8, length=2)
    bar.outline.set_visible(False)
    return finished(figure)
