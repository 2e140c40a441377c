"""The facts about several runs besides their accuracies: their options and their learning curves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from skelblocks.pages.line_chart import LineChart, line_chart
from skelblocks.protocols import Results
from skelblocks.protocols.results import FUSED, RunKey

_LOG = "log.jsonl"
_NONE, _ABSENT = "none", "no such option"


class OptionLines(NamedTuple):
    """The options of several runs.

    Attributes:
        runs: Names of the runs.
        different: For each option that differs, its name and its value in each run.
        same: For each other option, its name and the value.
    """

    runs: list[str]
    different: list[list[str]]
    same: list[list[str]]


def run_names(results: Results) -> dict[RunKey, str]:
    """A name for each run: its line, with the seed where the line has several runs.

    Args:
        results: The results of the evaluation.
    """
    keys = [key for key in results.runs if key.stream != FUSED]
    labels = [results.label(key) for key in keys]
    return {
        key: f"{label}, seed {key.seed}" if labels.count(label) > 1 else label
        for key, label in zip(keys, labels, strict=True)
    }


def option_lines(results: Results) -> OptionLines:
    """Which options of the runs differ, and which are the same.

    Args:
        results: The results of the evaluation.

    Returns:
        The options, such as ``train.epochs``. A run whose method does not have an option says so.
    """
    names = run_names(results)
    flat = []
    for key in names:
        trained = results.runs[key].trained
        own = {"folder": str(trained.folder), "method": trained.method, "stream": trained.stream, "seed": trained.seed}
        flat.append({name: _text(value) for name, value in {**own, **_flat(trained.options)}.items()})
    options = dict.fromkeys(name for each in flat for name in each)
    rows = [[name, *(each.get(name, _ABSENT) for each in flat)] for name in options]
    different = [row for row in rows if len(set(row[1:])) > 1]
    return OptionLines(list(names.values()), different, [row[:2] for row in rows if len(set(row[1:])) == 1])


def learning_curves(results: Results) -> list[LineChart]:
    """The losses and accuracies of the runs by their logs, and the losses of their fine-tuning.

    A folder without a log, such as a released file, has no curve. A line of a log that is damaged is left out.

    Args:
        results: The results of the evaluation.
    """
    names = run_names(results)
    logs = {names[key]: read_log(results.runs[key].trained.folder) for key in names}
    charts = [line_chart(_series(logs, "loss"), title="Loss of the training", ylabel="loss")]
    for metric, title in (("knn", "kNN accuracy while training"), ("linear", "Linear accuracy while training")):
        charts.append(line_chart(_series(logs, metric), title=title, ylabel="% of the test clips"))
    histories = {
        names[key]: row["finetune"][0].details.get("history", [])
        for key, row in results.rows.items()
        if key in names and "finetune" in row
    }
    charts.append(line_chart(_series(histories, "loss"), title="Loss of the fine-tuning", ylabel="loss"))
    return [chart for chart in charts if chart is not None]


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log, one for each epoch; none where there is no log.

    Args:
        folder: Folder of the run.
    """
    try:
        lines = (folder / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [row for row in map(_row, lines) if row is not None]


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _series(logs: Mapping[str, list[dict[str, Any]]], metric: str) -> dict[str, tuple[list[float], list[float]]]:
    found = {}
    for name, rows in logs.items():
        known = [
            (_number(row.get("epoch", i + 1)), _number(row[metric])) for i, row in enumerate(rows) if metric in row
        ]
        found[name] = ([x for x, _ in known], [y for _, y in known])
    return found


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _flat(options: Mapping[str, Any], group: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{group}{name}.")
        else:
            found[f"{group}{name}"] = value
    return found


def _text(value: object) -> str:
    if value is None:
        return _NONE
    return value if isinstance(value, str) else json.dumps(value, default=str)
