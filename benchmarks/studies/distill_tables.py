"""The tables of the distillation study, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.distill_targets import NOISES, TARGETS

COLUMNS = ("1", "5", "10", "all", "knn")
_T = 2.262  # of Student's distribution, 9 degrees of freedom, 95 %


def table(results: Path) -> str:
    """All results of a folder: one table for each layout, target and kind of joints."""
    layouts = sorted({path.name.split("_")[1] for path in results.glob("baselines_*.json")})
    parts = []
    for layout in layouts:
        for name in TARGETS:
            path = results / f"baselines_{layout}_{name}.json"
            if path.exists():
                parts += [_one(results, layout, name, noise) for noise in NOISES]
    return "\n\n".join(parts)


def _one(results: Path, layout: str, name: str, noise: str) -> str:
    baselines = json.loads((results / f"baselines_{layout}_{name}.json").read_text())[noise]
    rows: dict[str, list[Mapping[str, Any]]] = {row: [scores] for row, scores in baselines.items()}
    for motion in ("synthetic", "others", "own"):
        label = "" if motion == "synthetic" else f"_{name}"
        found = [
            json.loads(path.read_text())
            for path in sorted(results.glob(f"student_{layout}_{motion}{label}_seed*.json"))
        ]
        kept = [each["targets"][name][noise] for each in found if name in each["targets"]]
        if kept:
            rows[f"student, {motion}"] = kept
    if noise == "perfect":
        rows["3-D teacher"] = [json.loads((results / f"teacher_{name}.json").read_text())["space"]]
    lines = [f"{name}, {layout}, {noise} joints", "", f"| | {' | '.join(COLUMNS)} |", "| --- " * 6 + "|"]
    for row, scores in rows.items():
        cells = [_cell([np.mean(each[column]) for each in scores]) for column in COLUMNS]
        seeds = f" ({len(scores)} seeds)" if len(scores) > 1 else ""
        lines.append(f"| {row}{seeds} | {' | '.join(cells)} |")
        if row.startswith("student"):
            lines.append(f"| minus MiniRocket | {' | '.join(_paired(scores, baselines['MiniRocket']))} |")
    return "\n".join(lines)


def _cell(values: Sequence[Any]) -> str:
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


def _paired(scores: Sequence[Mapping[str, Any]], other: Mapping[str, Any]) -> list[str]:
    """The mean difference and its 95 % interval over the ten draws, students averaged over seeds."""
    cells = []
    for column in COLUMNS:
        difference = np.mean([each[column] for each in scores], axis=0) - np.array(other[column])
        wide = _T * np.std(difference, ddof=1) / np.sqrt(np.size(difference)) if np.size(difference) > 1 else 0
        cells.append(f"{np.mean(difference):+.1f}" + (f" ± {wide:.1f}" if wide else ""))
    return cells
