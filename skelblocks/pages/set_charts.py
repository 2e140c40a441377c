"""The tables with bars of a set's page: clips by group, lengths, and unseen joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skelblocks.layouts import SkeletonLayout
from skelblocks.pages.set_facts import SetFacts

_ROWS, _BINS = 150, 10
_PLACES = ("start", "stop", "start_ms", "stop_ms")  # where a clip lies in its recording, which groups nothing


class BarChart(NamedTuple):
    """A table whose rows end in a bar.

    Attributes:
        caption: Caption of the table.
        columns: Titles of the columns.
        rows: Cells of each row; the first is its header.
        sizes: The length of each row's bar, from 0 to 1.
        more: What the table leaves out, or nothing.
    """

    caption: str
    columns: list[str]
    rows: list[list[object]]
    sizes: list[float]
    more: str = ""


def set_charts(
    facts: SetFacts,
    *,
    layout: SkeletonLayout | None,
    class_names: Sequence[str] = (),
    train: NDArray[np.bool_] | None = None,
    group_names: Mapping[str, Sequence[str]] | None = None,
) -> list[BarChart]:
    """Tabulate the clips by class, subject, view and other groups, their lengths, and the joints that are not seen.

    Args:
        facts: Facts about the set.
        layout: The skeleton, for the names of the joints.
        class_names: Names of the classes.
        train: Mask of the training clips; the tables count them apart.
        group_names: Names of the numbers of a group, such as of the subjects.

    Returns:
        The tables.
    """
    charts = [_by_group("class", facts.labels, train, class_names)] if (facts.labels >= 0).any() else []
    named = group_names or {}
    charts += [
        _by_group(name, values, train, named.get(name, ()), number=False)
        for name, values in facts.groups.items()
        if name not in _PLACES
    ]
    charts.append(_lengths(facts.lengths))
    joints = layout.joints if layout is not None and layout.num_joints == len(facts.unseen) else ()
    names = joints or tuple(map(str, range(len(facts.unseen))))
    rows: list[list[object]] = [
        [name, f"{100 * share:.1f}"] for name, share in zip(names, facts.unseen.tolist(), strict=True)
    ]
    charts.append(BarChart("Unseen joints", ["joint", "% of frames"], rows, facts.unseen.tolist()))
    return charts


def _by_group(
    name: str,
    values: NDArray[np.generic],
    train: NDArray[np.bool_] | None,
    names: Sequence[str] = (),
    *,
    number: bool = True,
) -> BarChart:
    there, counts = np.unique(values, return_counts=True)
    rows: list[list[object]] = []
    for value, count in zip(there[:_ROWS].tolist(), counts[:_ROWS].tolist(), strict=True):
        named = isinstance(value, int) and 0 <= value < len(names)
        label = (f"{value} {names[value]}" if number else names[value]) if named else value
        unknown = isinstance(value, int) and not isinstance(value, bool) and value < 0
        row: list[object] = ["not known" if unknown else label]
        if train is not None:
            trained = int((train & (values == value)).sum())
            row += [trained, count - trained]
        rows.append([*row, count])
    columns = [name, *(() if train is None else ("train", "test")), "clips"]
    more = f"and {len(there) - _ROWS} more" if len(there) > _ROWS else ""
    sizes = (counts[:_ROWS] / counts.max()).tolist()
    return BarChart(f"Clips by {name}", columns, rows, sizes, more)


def _lengths(lengths: NDArray[np.int64]) -> BarChart:
    low, high = int(lengths.min()), int(lengths.max())
    width = max(1, -(-(high - low + 1) // _BINS))
    edges = np.arange(low, high + 1, width)
    counts = np.bincount((lengths - low) // width, minlength=len(edges))
    rows: list[list[object]] = [
        [f"{edge}" if width == 1 else f"{edge} to {min(edge + width - 1, high)}", count]
        for edge, count in zip(edges.tolist(), counts.tolist(), strict=True)
    ]
    return BarChart("Lengths", ["frames", "clips"], rows, (counts / counts.max()).tolist())
