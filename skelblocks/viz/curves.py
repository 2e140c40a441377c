"""Curves over steps or epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.optional import require
from skelblocks.viz._style import COLORS, INK, check_by_name, finished, name_of, new_figure, plain, title_of, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = Tensor | NDArray[Any] | Sequence[float]


def curves(
    series: Mapping[str, Values | tuple[Values, Values]],
    *,
    xlabel: str = "epoch",
    ylabel: str = "",
    title: str | None = None,
    log: bool = False,
) -> Figure:
    """Draw one or several curves in one diagram.

    Args:
        series: By name, either the values, which then belong to steps 1, 2, 3, ..., or ``(steps, values)`` as a tuple
            of two.
        xlabel: What the steps are.
        ylabel: What the values are.
        title: Title above the diagram.
        log: Whether the values go up by powers of ten.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        TypeError: ``series`` is not a dict, or values are not numbers.
        ValueError: There is no curve, a curve has no values, the steps do not match the values, a number is not finite,
            or a value is not positive with ``log``.

    Example:
        >>> figure = curves({"loss": [3.0, 2.0, 1.5], "kNN": ([1, 3], [0.2, 0.6])}, title="Pre-training")
        >>> len(figure.axes[0].lines)
        2
    """
    check_by_name(series, name="series", of="curves", example="{'loss': losses}")
    figure = new_figure(width=6.4, height=3.6)
    axes = figure.add_subplot()
    whole = True
    entries: dict[str, Any] = {}
    for i, (name, entry) in enumerate(series.items()):
        where = f"series[{name!r}]"
        if isinstance(entry, tuple) and len(entry) == 2 and np.ndim(entry[0]):  # not two values
            steps, values = to_array(entry[0], name=where), to_array(entry[1], name=where)
        else:
            values = to_array(entry, name=where)
            steps = np.arange(1, values.size + 1)
        if values.ndim != 1 or not len(values) or steps.shape != values.shape:
            raise ValueError(
                f"{where}: expected values, or (steps, values) of the same length, got shapes "
                f"{steps.shape} and {values.shape}"
            )
        if log and values.min() <= 0:
            raise ValueError(f"{where}: expected values > 0 with log=True, got {values.min()}")
        few = len(values) <= 12
        whole = whole and bool((steps == steps.round()).all())
        (entries[name],) = axes.plot(
            steps,
            values,
            label=name_of(name),
            color=COLORS[i % len(COLORS)],
            linestyle=("-", "--", ":")[i // len(COLORS) % 3],
            linewidth=1.8,
            marker="o" if few else None,
            markersize=4,
        )
    plain(axes)
    if whole:
        axes.xaxis.set_major_locator(require("matplotlib.ticker", extra="viz").MaxNLocator(integer=True))
    if log:
        axes.set_yscale("log")
    axes.margins(x=0.02)
    axes.set_xlabel(name_of(xlabel), color=INK)
    axes.set_ylabel(name_of(ylabel or (next(iter(series)) if len(series) == 1 else "")), color=INK)
    if title:
        axes.set_title(title_of(title), color=INK, fontsize=12, pad=10)
    if len(series) > 1:
        # With its entries: of itself the legend leaves out names that begin with an underscore.
        figure.legend(
            list(entries.values()),
            [name_of(name) for name in entries],
            loc="outside right center",
            frameon=False,
            fontsize=9,
            labelcolor=INK,
        )
    return finished(figure)
