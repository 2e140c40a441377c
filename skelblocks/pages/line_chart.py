"""Lines over the epochs of runs, as the geometry of an inline SVG picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 40  # around the lines, for the numbers and the names of the axes
_STYLES = 6  # of lines in charts.css


class Tick(NamedTuple):
    """A number beside an axis.

    Attributes:
        at: Its place along the axis, in units of the picture.
        text: The number.
    """

    at: float
    text: str


class ChartLine(NamedTuple):
    """One line.

    Attributes:
        name: Name in the legend.
        style: Which color and dashes.
        points: The ``points`` of a polyline.
        only: The place of a line's only point, or None.
        cells: The first and the last value, the lowest and the highest, as text.
    """

    name: str
    style: int
    points: str
    only: tuple[float, float] | None
    cells: list[str]


class LineChart(NamedTuple):
    """A diagram.

    Attributes:
        title: What it shows.
        xlabel: Label of the horizontal axis.
        ylabel: Label of the vertical axis.
        width: Width of the picture; all positions are in these units.
        height: Height of the picture.
        frame: Left, top, right and bottom of the diagram within the picture.
        xticks: Below it.
        yticks: Beside it.
        lines: In it.
    """

    title: str
    xlabel: str
    ylabel: str
    width: int
    height: int
    frame: tuple[int, int, int, int]
    xticks: list[Tick]
    yticks: list[Tick]
    lines: list[ChartLine]


def line_chart(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, title: str, ylabel: str, xlabel: str = "epoch"
) -> LineChart | None:
    """Lay out lines in one diagram. Values that are not finite are left out.

    Args:
        series: ``(steps, values)`` by the name of the line.
        title: What the diagram shows.
        ylabel: What the values are.
        xlabel: What the steps are.

    Returns:
        The diagram, which the macro ``lines`` of ``charts.html`` draws; None if there is no finite value.

    Example:
        >>> chart = line_chart({"run": ([1, 2, 3], [4.0, 2.0, 1.0])}, title="Loss", ylabel="loss")
        >>> [tick.text for tick in chart.xticks], chart.lines[0].cells
        (['1', '2', '3'], ['4', '1', '1', '4'])
    """
    known = {name: _finite(steps, values) for name, (steps, values) in series.items()}
    known = {name: points for name, points in known.items() if points}
    if not known:
        return None
    xs, ys = zip(*(point for points in known.values() for point in points), strict=True)
    xticks, yticks = _ticks(min(xs), max(xs), whole=True), _ticks(min(ys), max(ys))
    xlow, xhigh = min(xs), max(max(xs), min(xs) + 1)
    ylow, yhigh = min(yticks[0], min(ys)), max(yticks[-1], max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - xlow) / (xhigh - xlow) * (_WIDTH - _LEFT - _RIGHT)
        down = _HEIGHT - _BOTTOM - (y - ylow) / (yhigh - ylow) * (_HEIGHT - _TOP - _BOTTOM)
        return round(across, 1), round(down, 1)

    lines = []
    for i, (name, points) in enumerate(known.items()):
        places = [place(x, y) for x, y in points]
        values = [y for _, y in points]
        lines.append(
            ChartLine(
                name,
                i % _STYLES,
                " ".join(f"{x:g},{y:g}" for x, y in places),
                places[0] if len(places) == 1 else None,
                [f"{value:.4g}" for value in (values[0], values[-1], min(values), max(values))],
            )
        )
    return LineChart(
        title,
        xlabel,
        ylabel,
        _WIDTH,
        _HEIGHT,
        (_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM),
        [Tick(place(x, ylow)[0], f"{x:g}") for x in xticks if xlow <= x <= xhigh],
        [Tick(place(xlow, y)[1], f"{y:g}") for y in yticks],
        lines,
    )


def _finite(steps: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    pairs = ((float(x), float(y)) for x, y in zip(steps, values, strict=True))
    return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """About five round numbers, from below ``low`` to above ``high``."""
    if high <= low:
        room = abs(low) * 0.1 or 1.0
        low, high = (low, low + 1) if whole else (low - room, low + room)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    if whole:
        step = max(1.0, round(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{value:.10g}") for value in np.arange(first, last + 1) * step]
