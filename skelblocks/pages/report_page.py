"""The page of an evaluation of one run, or of several runs for comparison."""

from __future__ import annotations

import base64
import platform
from pathlib import Path
from typing import Any

import torch

import skelblocks
from skelblocks._utils.escape import escape
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.evaluation import PairedInterval, classification_report
from skelblocks.pages.render_page import render_page
from skelblocks.pages.report_facts import learning_curves, option_lines, run_names
from skelblocks.protocols import Results
from skelblocks.protocols.report_pictures import report_pictures
from skelblocks.protocols.results import accuracy_lines, results_caption, structure_lines
from skelblocks.protocols.row_differences import COMPARED, row_differences, run_differences

_LARGEST = 4_000_000  # bytes of a picture that goes into a page


@explain_arguments
def report_page(
    results: Results, *, title: str = "Report", command: str = "", pictures: str | Path | None = None
) -> str:
    """Write the page of an evaluation: accuracies, intervals, options, curves, pictures, and how they were made.

    Args:
        results: The results of the evaluation, for instance of :func:`~skelblocks.protocols.full_report`.
        title: Title of the page.
        command: The command that made the results, for display.
        pictures: The folder that :func:`~skelblocks.protocols.draw_report` drew into. Default: no pictures.

    Returns:
        The HTML, for :func:`write_page`.

    Raises:
        ImportError: Jinja2 is missing.
        ValueError: There is no result.
    """
    if not results.runs:
        raise ValueError("results: expected at least one run, got none; evaluate a run first")
    protocols, lines = accuracy_lines(results)
    metrics, structure = structure_lines(results)
    return render_page(
        "report.html",
        title=title,
        styles=("charts.css", "report.css"),
        values={
            "accuracies": _table("line", protocols, lines),
            "caption": results_caption(results),
            "warnings": _warnings(results),
            "difference_columns": ["line", "minus", *COMPARED],
            "differences": _difference_rows(results),
            "structure": _table("line", metrics, structure),
            "options": option_lines(results),
            "curves": learning_curves(results),
            "classes": _classes(results),
            "pictures": [] if pictures is None else _pictures(results, Path(pictures)),
            "command": command,
            "runs": _runs(results),
            "versions": [
                ["skelblocks", skelblocks.__version__],
                ["torch", torch.__version__],
                ["Python", platform.python_version()],
            ],
        },
    )


def _table(corner: str, columns: list[str], lines: dict[str, list[str]]) -> dict[str, Any]:
    return {"columns": [corner, *columns], "rows": [[label, *cells] for label, cells in lines.items()]}


def _warnings(results: Results) -> list[str]:
    seen = dict.fromkeys(str(run.trained.folder) for run in results.runs.values() if run.pretrained_apart is False)
    return [
        f"Pretrained with another split of these clips, possibly on test clips: {escape(folder)}." for folder in seen
    ]


def _difference_rows(results: Results) -> list[list[str]]:
    found = []
    for differences in (run_differences(results), row_differences(results)):
        for line, beside in differences.items():
            for other, by_protocol in beside.items():
                found.append([line, other, *(_interval(by_protocol.get(protocol)) for protocol in COMPARED)])
    return found


def _interval(interval: PairedInterval | None) -> str:
    if interval is None:
        return ""
    return f"{interval.difference:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"


def _classes(results: Results) -> dict[str, Any]:
    """The accuracy of each class by the last protocol that all runs have, of each run."""
    names = run_names(results)
    shared = [
        protocol
        for protocol in ("knn", "linear", "finetune")
        if all(protocol in results.rows.get(key, {}) for key in names)
    ]
    if not shared:
        return {"rows": []}
    protocol = shared[-1]
    columns: dict[str, list[float | None]] = {}
    classes: list[str] = []
    for key, name in names.items():
        run, result = results.runs[key], results.rows[key][protocol][0]
        report = classification_report(result.scores.scores, run.labels[1], class_names=run.class_names)
        hits = report.confusion.diagonal().tolist()
        counts = report.confusion.sum(dim=1).tolist()
        columns[name] = [100 * hit / count if count else None for hit, count in zip(hits, counts, strict=True)]
        classes = [f"{i} {run.class_names[i]}" if run.class_names else str(i) for i in range(len(counts))]
        numbers = [int(count) for count in counts]
    rows = [
        [label, *("" if each[i] is None else f"{each[i]:.1f}" for each in columns.values()), numbers[i]]
        for i, label in enumerate(classes)
        if numbers[i]
    ]
    caption = f"Accuracy of each class by the protocol {protocol}, %"
    return {"caption": caption, "columns": ["class", *columns, "test clips"], "rows": rows}


def _pictures(results: Results, folder: Path) -> list[dict[str, str]]:
    found = []
    for name, title in report_pictures(results).items():
        path = folder / name
        if path.is_file() and path.stat().st_size <= _LARGEST:
            letters = base64.b64encode(path.read_bytes()).decode("ascii")
            found.append({"title": title, "address": f"data:image/png;base64,{letters}"})
    return found


def _runs(results: Results) -> dict[str, Any]:
    rows = []
    for key, name in run_names(results).items():
        run = results.runs[key]
        trained, counts = run.trained, f"{len(run.sets.train)} and {len(run.sets.test)}"
        origin = [trained.method or "not known", trained.folder, trained.stream, key.seed]
        rows.append([name, *origin, run.data.path, run.data.split or "default", counts])
    columns = ["run", "method", "folder", "stream", "seed", "data", "split", "clips: train and test"]
    return {"columns": columns, "rows": rows}
