"""Draw the accuracy of each class as bars.

Axes: n samples, c classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.viz._confusion import Confusion, to_counts
from skelblocks.viz._style import COLORS, INK, finished, new_figure, plain, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUMBERED = 30  # classes up to which a bar has room for a number


@explain_arguments
def class_accuracy(
    matrix: Confusion, *, class_names: Sequence[str] | None = None, sort: bool = True, title: str | None = None
) -> Figure:
    """Draw the accuracy (recall) of each class as a bar, and the mean of the classes as a line.

    With up to 30 classes, each bar shows its number. A class without samples has no bar and does not count in the mean,
    and its label says so.

    Args:
        matrix: As in :func:`confusion_matrix`: counts ``(c, c)``, or the tuple ``(predicted, labels)``.
        class_names: One name for each class. Default: their numbers.
        sort: Whether to draw the best class first. Default: the order of the classes.
        title: Title above the diagram.

    Returns:
        The figure; ``figure.savefig(path)`` writes it. Nothing is shown.

    Raises:
        ImportError: Matplotlib is missing.
        ValueError: What :func:`confusion_matrix` raises, or no class has a sample.

    Example:
        >>> figure = class_accuracy(([0, 1, 1, 0], [0, 1, 1, 1]), class_names=["clap", "wave"])
        >>> [bar.get_width().round(2).item() for bar in figure.axes[0].patches]
        [100.0, 66.67]
    """
    counts, names = to_counts(matrix, class_names)
    samples = counts.sum(axis=1)
    if not samples.any():
        raise ValueError("matrix: expected at least one sample, got only counts of 0; pass results of some samples")
    recall = 100 * np.diag(counts) / np.where(samples, samples, 1)
    order = np.arange(len(names))
    if sort:
        order = np.lexsort((order, -np.where(samples, recall, -1)))
    pitch = float(np.clip(9.5 / len(names), 0.12, 0.26))
    size = min(9.0, 72 * pitch * 0.72)
    written = [names[i] if samples[i] else f"{names[i]} (no sample)" for i in order]
    figure = new_figure(
        width=4.6 + max(map(len, written)) * size * 0.6 / 72, height=pitch * len(names) + (1.3 if title else 1.0)
    )
    axes = figure.add_subplot()
    rows = np.flatnonzero(samples[order])
    axes.barh(rows, recall[order][rows], height=0.72, color=COLORS[0])
    mean = float(recall[samples > 0].mean())
    # Behind the bars, whose numbers it would cross.
    axes.axvline(mean, color=COLORS[1], linewidth=1.5, linestyle="--", zorder=0.9)
    axes.annotate(
        f"mean {mean:.1f} %",
        (mean, 1),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="left" if mean < 12 else "right" if mean > 88 else "center",
        va="bottom",
        fontsize=9,
        color=COLORS[1],
    )
    plain(axes)
    for row in rows if len(names) <= _NUMBERED else ():
        share = recall[order[row]]
        inside = share > 12
        axes.annotate(
            f"{share:.0f}",
            (share, row),
            (-3 if inside else 3, 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            fontsize=min(size, 9.0),
            color="white" if inside else INK,
        )
    axes.grid(visible=False, axis="y")
    axes.set_yticks(range(len(names)), written)
    axes.tick_params(axis="y", labelsize=size, length=0)
    axes.set(xlim=(0, 100), ylim=(len(names) - 0.4, -0.6))
    axes.set_xlabel("accuracy in %", color=INK)
    if title:
        axes.set_title(title_of(title), color=INK, fontsize=12, pad=20)
    return finished(figure)
