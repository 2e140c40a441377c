"""The results of an evaluation of several runs, and their Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from skelblocks._utils.escape import escape
from skelblocks.evaluation import SeedSummary, summarize_seeds
from skelblocks.protocols.evaluated_run import EvaluatedRun, ProtocolResult

Row = dict[str, list[ProtocolResult]]
"""The results of one encoder by protocol. The semi-supervised protocol has one result for each draw of labels."""
FUSED = "fused"  # takes the place of a stream's name


class RunKey(NamedTuple):
    """What identifies a run in an evaluation.

    Attributes:
        name: Name of its rows, by default the method's. Runs with the same name and stream are seeds.
        stream: The stream it was trained on, or ``"fused"``.
        seed: Random seed of the training.
    """

    name: str
    stream: str
    seed: int


@dataclass(kw_only=True)
class Results:
    """The results of an evaluation of several runs.

    Attributes:
        rows: The results of each run, and of the fusion of each name and seed.
        runs: The encoders with their clips.
        structure: Retrieval and clustering metrics of each run's features.
        untrained: Results of untrained encoders, by the label of their line.
        baselines: Results of features that need no training, by the label of their line.
    """

    rows: dict[RunKey, Row] = field(default_factory=dict)
    runs: dict[RunKey, EvaluatedRun] = field(default_factory=dict)
    structure: dict[RunKey, dict[str, float]] = field(default_factory=dict)
    untrained: dict[str, list[Row]] = field(default_factory=dict)
    baselines: dict[str, list[Row]] = field(default_factory=dict)

    def label(self, key: RunKey) -> str:
        """The label of a run's line: its stream, preceded by its name if there are several names."""
        several = len({each.name for each in self.rows}) > 1
        return f"{key.name}, {key.stream}" if several else key.stream

    def runs_of(self, key: RunKey) -> list[EvaluatedRun]:
        """The run itself, or the runs of all streams in a fusion."""
        if key.stream != FUSED:
            return [self.runs[key]]
        return [run for other, run in self.runs.items() if (other.name, other.seed) == (key.name, key.seed)]


def results_table(results: Results) -> str:
    """Tabulate accuracies: a line for each stream of each method, a column for each protocol.

    Cells are mean and standard deviation over seeds. Draws of labels are averaged within a seed; with a single seed,
    the deviation is over the draws.

    Args:
        results: The results of the evaluation.

    Returns:
        Markdown. Names of folders and methods are escaped.
    """
    protocols, lines = accuracy_lines(results)
    text = _table_head("", protocols)
    text += [_table_line(label, cells) for label, cells in lines.items()]
    text += ["", results_caption(results)]
    seen = dict.fromkeys(str(run.trained.folder) for run in results.runs.values() if run.pretrained_apart is False)
    if seen:
        folders = ", ".join(escape(folder, to="markdown") for folder in seen)
        text += ["", f"Pretrained with another split of these clips, possibly on test clips: {folders}."]
    if results.structure:
        text += ["", *_structure_table(results)]
    return "\n".join([*text, ""])


def accuracy_lines(results: Results) -> tuple[list[str], dict[str, list[str]]]:
    """The accuracies as text: baselines and untrained encoders, then the runs.

    Args:
        results: The results of the evaluation.

    Returns:
        The protocols, and for each line's label one cell per protocol; a missing result is an empty cell.
    """
    lines = _rows_by_label(results)
    protocols = list(dict.fromkeys(protocol for rows in lines.values() for row in rows for protocol in row))
    return protocols, {label: [_cell(rows, protocol) for protocol in protocols] for label, rows in lines.items()}


def _rows_by_label(results: Results) -> dict[str, list[Row]]:
    beside = {**results.baselines, **results.untrained}
    lines = {label: list(rows) for label, rows in beside.items()}
    for key, row in results.rows.items():
        lines.setdefault(results.label(key), []).append(row)
    return lines


def results_caption(results: Results) -> str:
    """A caption that says what the accuracies are: the clips, the seeds, and how each number was selected.

    Args:
        results: The results of the evaluation.
    """
    rows = [row for rows in _rows_by_label(results).values() for row in rows]
    found = [result for row in rows for several in row.values() for result in several]
    selected = dict.fromkeys(f"{result.protocol}: {result.selected}" for result in found)
    seeds = dict.fromkeys(str(key.seed) for key in results.rows)
    return f"Top-1 accuracy on the test clips, %. Seeds: {', '.join(seeds)}. {'; '.join(selected)}."


def structure_lines(results: Results) -> tuple[list[str], dict[str, list[str]]]:
    """The retrieval and clustering metrics as text: their names, and for each line's label one cell per metric.

    Args:
        results: The results of the evaluation.
    """
    by_label: dict[str, list[dict[str, float]]] = {}
    for key, values in results.structure.items():
        by_label.setdefault(results.label(key), []).append(values)
    metrics = list(next(iter(results.structure.values()), {}))
    summaries = {label: summarize_seeds(several) for label, several in by_label.items()}
    return metrics, {label: [_shown(each[metric]) for metric in metrics] for label, each in summaries.items()}


def _structure_table(results: Results) -> list[str]:
    metrics, lines = structure_lines(results)
    return _table_head("features, %", metrics) + [_table_line(label, cells) for label, cells in lines.items()]


def _table_head(corner: str, columns: Sequence[str]) -> list[str]:
    first = f"| {corner} |" if corner else "| |"
    return [f"{first} {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]


def _table_line(label: str, cells: Sequence[str]) -> str:
    return f"| {escape(label, to='markdown')} | {' | '.join(cells)} |"


def _cell(rows: Sequence[Row], protocol: str) -> str:
    runs = [[result.accuracy for result in row[protocol]] for row in rows if protocol in row]
    if not runs:
        return ""
    if len(runs) == 1:
        return _shown(summarize_seeds(runs[0]), of="draws")
    return _shown(summarize_seeds([float(np.mean(run)) for run in runs]))


def _shown(summary: SeedSummary, *, of: str = "seeds") -> str:
    spread = "" if summary.std is None else f" ± {summary.std:.1f} ({summary.n} {of})"
    return f"{summary.mean:.1f}{spread}"
