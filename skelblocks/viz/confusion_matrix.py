"""Draw a confusion matrix.

Axes: n samples, c classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from skelblocks._utils.checks import check_choice
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.optional import require
from skelblocks.viz._confusion import Confusion, to_counts
from skelblocks.viz._style import INK, finished, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMBERED = 30  # classes up to which a cell has room for a number
_WIDEST = 8.4  # of the matrix, in inches
_SMALLEST = 5.0  # type, in points
_NOBODY = "#e9eaee"
Normalize: TypeAlias = Literal["true", "predicted"]

_SHARES: Mapping[Normalize | None, str] = {
    "true": "share of the true class",
    "predicted": "share of the predicted class",
    None: "samples",
}


@explain_arguments
def confusion_matrix(
    matrix: Confusion,
    *,
    class_names: Sequence[str] | None = None,
    normalize: Normalize | None = "true",
    title: str | None = None,
) -> Figure:
    """Draw a confusion matrix. A row is a true class, a column a predicted class.

    With up to 30 classes each cell shows its number, in percent or as a count, unless it rounds to zero. With more
    classes cells have only colors, and names become smaller. Beyond about 90 classes only every second, third, ... name
    is written.

    Args:
        matrix: Counts ``(c, c)``, such as ``classification_report(...).confusion``; or the tuple
            ``(predicted, labels)`` of two times ``(n,)`` integers from 0.
        class_names: One name for each class. Default: their numbers.
        normalize: ``"true"``, shares of a row, with recall on the diagonal; ``"predicted"``, shares of a column, with
            precision on the diagonal; None for counts. A row or column without samples is gray.
        title: Title above the diagram.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        ValueError: The matrix is not square or has negative counts, the predictions do not match the labels, the number
            of names differs from the number of classes, ``normalize`` is unknown, or a number is not finite.

    Example:
        >>> figure = confusion_matrix(([0, 1, 1, 0], [0, 1, 1, 1]), class_names=["wave", "clap"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['100', '33', '67']
    """
    check_choice(normalize, tuple(_SHARES), name="normalize")
    counts, names = to_counts(matrix, class_names)
    shown = np.ma.array(counts)
    if normalize is not None:
        total = counts.sum(axis=1 if normalize == "true" else 0, keepdims=True)
        empty = np.broadcast_to(total == 0, counts.shape)
        shown = np.ma.array(counts / np.where(total, total, 1), mask=empty)

    side = float(np.clip(0.46 * len(names), 2.4, _WIDEST))
    pitch = 72 * side / len(names)
    size = float(np.clip(0.7 * pitch, _SMALLEST, 9.5))
    step = ceil(1.15 * size / pitch)
    margin = max(map(len, names)) * size * 0.6 / 72
    figure = new_figure(width=side + margin + 2.0, height=side + margin + (1.2 if title else 0.8), title=title)
    axes = figure.add_subplot()
    high = 1.0 if normalize is not None else max(float(counts.max()), 1.0)
    image = axes.imshow(shown, cmap=_palette(), vmin=1e-6 * high, vmax=high, interpolation="nearest")
    axes.set_facecolor(_NOBODY)
    if len(names) <= _NUMBERED:
        for (row, column), number in np.ndenumerate(shown.filled(0)):
            text = f"{100 * number:.0f}" if normalize is not None else f"{number:.10g}"
            if text != "0":
                color = "white" if number > 0.55 * high else INK
                axes.text(column, row, text, ha="center", va="center", color=color, fontsize=min(size, 9))
    places = range(0, len(names), step)
    numbers = max(map(len, names)) <= 2
    axes.set_xticks(places, [names[i] for i in places], rotation=0 if numbers else 90)
    axes.set_yticks(places, [names[i] for i in places])
    axes.tick_params(colors=INK, labelsize=size, length=2, pad=2)
    axes.spines[:].set_color("#bbbbbb")
    axes.set_xlabel("predicted class", fontsize=10, color=INK)
    axes.set_ylabel("true class", fontsize=10, color=INK)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
    bar.set_label(_SHARES[normalize], fontsize=9, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=8, length=2)
    bar.outline.set_visible(False)
    return finished(figure)


def _palette() -> Any:
    """White for nothing, and blues that tell even a small share from it."""
    blues = require("matplotlib", extra="viz").colormaps["Blues"](np.linspace(0.16, 1, 256))
    palette = require("matplotlib.colors", extra="viz").ListedColormap(blues)
    return palette.with_extremes(under="white")
