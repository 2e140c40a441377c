"""Confidence intervals of the differences between runs and baselines, paired over the test clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks.evaluation import PairedInterval, paired_bootstrap
from skelblocks.protocols.results import FUSED, Results, Row
from skelblocks.training.dataset_split import groups

COMPARED = ("knn", "linear")


def row_differences(results: Results) -> dict[str, dict[str, dict[str, PairedInterval]]]:
    """Compare each run with each baseline and untrained encoder, clip by clip.

    Seeds are averaged within a clip. If the set records who is in a clip, the bootstrap resamples whole people.

    Args:
        results: The results of the evaluation.

    Returns:
        By the run's line, the other line and the protocol: the difference of the accuracies in points with its 95 %
        interval. A positive difference means that the run is better.
    """
    if not results.runs:
        return {}
    others = {**results.baselines, **results.untrained}
    return {
        line: {other: _differences(results, rows, beside) for other, beside in others.items()}
        for line, rows in _run_lines(results).items()
    }


def run_differences(results: Results) -> dict[str, dict[str, dict[str, PairedInterval]]]:
    """Compare the runs with each other, clip by clip: each method and stream with each later one.

    Args:
        results: The results of the evaluation.

    Returns:
        The same as from :func:`row_differences`, with other runs instead of baselines.
    """
    lines = _run_lines(results)
    names = list(lines)
    return {
        line: {other: _differences(results, lines[line], lines[other]) for other in names[i + 1 :]}
        for i, line in enumerate(names[:-1])
    }


def _run_lines(results: Results) -> dict[str, list[Row]]:
    lines: dict[str, list[Row]] = {}
    for key, row in results.rows.items():
        if key.stream != FUSED:
            lines.setdefault(results.label(key), []).append(row)
    return lines


def _differences(results: Results, rows: Sequence[Row], others: Sequence[Row]) -> dict[str, PairedInterval]:
    test = next(iter(results.runs.values())).sets.test
    who = _several(groups(test, "cross-subject"))
    return {
        protocol: _difference(rows, others, protocol, labels=test.labels, who=who)
        for protocol in COMPARED
        if all(protocol in row for row in (*rows, *others))
    }


def _several(who: NDArray[np.generic] | None) -> NDArray[np.generic] | None:
    return who if who is not None and len(np.unique(who)) > 1 else None


def _difference(
    rows: Sequence[Row], others: Sequence[Row], protocol: str, *, labels: Tensor, who: NDArray[np.generic] | None
) -> PairedInterval:
    a, b = (_correct(several, protocol, labels) for several in (rows, others))
    found = paired_bootstrap(a, b, groups=who)
    return PairedInterval(100 * found.difference, 100 * found.low, 100 * found.high, found.share_not_better)


def _correct(rows: Sequence[Row], protocol: str, labels: Tensor) -> Tensor:
    """How often each test clip is classified correctly, on average over seeds."""
    hits = [(row[protocol][0].scores.scores.argmax(dim=1) == labels).double() for row in rows]
    return torch.stack(hits).mean(dim=0)
