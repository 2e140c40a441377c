"""Curves over steps or epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.optional import require
from skelblocks.viz._style import COLORS, INK, check_by_name, finished, name_of, new_figure, plain, title_of, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = Tensor | NDArray[Any] | Sequence[float]

_LEVELS = ("#555555", "#9a9a9a", "#8c564b", "#7a7a00")  # quieter than the curves
_DASHES: tuple[Any, ...] = ("--", ":", "-.")


@explain_arguments
def curves(
    series: Mapping[str, Values | tuple[Values, Values]],
    *,
    xlabel: str = "epoch",
    ylabel: str = "",
    title: str | None = None,
    log: bool = False,
    levels: Mapping[str, float] | None = None,
    from_zero: bool = False,
) -> Figure:
    """Draw one or several curves in a diagram.

    Args:
        series: Curves by name. Each is its values at steps 1, 2, 3, ..., or a tuple ``(steps, values)``.
        xlabel: Label of the steps.
        ylabel: Label of the values.
        title: Title above the diagram.
        log: Whether the axis of the values is logarithmic.
        levels: Values to compare the curves with, by name, such as chance or an untrained encoder. Each is a dashed
            horizontal line.
        from_zero: Whether the axis of the values begins at 0, as an honest picture of accuracies does. Default: it
            covers the values.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        TypeError: ``series`` is not a dict, or values are not numbers.
        ValueError: There is no curve, a curve has no values, the steps do not match the values, a number is not finite,
            a value is not positive with ``log``, a curve and a level have the same name, or ``from_zero`` is set
            together with ``log`` or for a negative value.

    Example:
        >>> figure = curves({"loss": [3.0, 2.0, 1.5], "kNN": ([1, 3], [0.2, 0.6])}, title="Pre-training")
        >>> len(figure.axes[0].lines)
        2
        >>> figure = curves({"kNN": [40, 60, 70]}, ylabel="accuracy, %", levels={"chance": 10}, from_zero=True)
        >>> float(figure.axes[0].get_ylim()[0])
        0.0
    """
    check_by_name(series, name="series", of="curves", example="{'loss': losses}")
    lines = _levels(levels, series)
    if from_zero and log:
        raise ValueError(
            "from_zero: expected False with log=True, since powers of ten have no 0; leave out one of the two"
        )
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
    for i, (name, level) in enumerate(lines.items()):
        if log and level <= 0:
            raise ValueError(f"levels[{name!r}]: expected a value > 0 with log=True, got {level}")
        color, dashes = _LEVELS[i % len(_LEVELS)], _DASHES[i % len(_DASHES)]
        entries[name] = axes.axhline(level, color=color, linestyle=dashes, linewidth=1.5, zorder=1.5)
    plain(axes)
    if whole:
        axes.xaxis.set_major_locator(require("matplotlib.ticker", extra="viz").MaxNLocator(integer=True))
    if log:
        axes.set_yscale("log")
    axes.margins(x=0.02)
    if from_zero:
        low = min(float(np.min(line.get_ydata())) for line in entries.values())
        if low < 0:
            raise ValueError(f"from_zero: expected values of at least 0, got {low:g}; leave out from_zero")
        axes.set_ylim(bottom=0)
    axes.set_xlabel(name_of(xlabel), color=INK)
    axes.set_ylabel(name_of(ylabel or (next(iter(series)) if len(series) == 1 else "")), color=INK)
    if title:
        axes.set_title(title_of(title), color=INK, fontsize=12, pad=10)
    if len(entries) > 1:
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


def _levels(levels: Mapping[str, float] | None, series: Mapping[str, object]) -> dict[str, float]:
    """The levels as numbers, checked."""
    if levels is None:
        return {}
    check_by_name(levels, name="levels", of="levels", example="{'chance': 10.0}")
    if shared := sorted(set(levels) & set(series)):
        raise ValueError(
            f"levels: expected other names than the curves have, got {', '.join(shared)}; rename the levels"
        )
    numbers = {name: to_array(level, name=f"levels[{name!r}]") for name, level in levels.items()}
    for name, number in numbers.items():
        if number.ndim:
            raise ValueError(f"levels[{name!r}]: expected one number, got shape {number.shape}; pass values in series")
    return {name: float(number) for name, number in numbers.items()}
