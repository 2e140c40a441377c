"""The table of `start_study.py`: a line a row, the mean and deviation over seeds."""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from skelblocks._utils.whole_file import whole_file

Figures = dict[tuple[str, str], list[dict[str, dict[str, float]]]]


def write_table(out: Path) -> None:
    """Write OUT/table.md and print it.

    Args:
        out: The folder with the rows.
    """
    found: Figures = defaultdict(list)
    sets: dict[str, None] = {}
    for path in sorted(out.glob("*.json")):
        name, _, row = path.stem.partition("-")
        sets[name] = None
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        row = re.sub(r"-seed\d+$", "", row)
        for suffix, part in (("", values), (", last weights", values.get("last", {}))):
            for kind, figures in part.get("readouts", {}).items():
                found[name, f"{row}{suffix} | {kind}"].append(figures)
        if "finetuned" in values:
            found[name, f"{row} | classifier"].append({"linear": values["finetuned"], "knn": {}})
    lines = []
    for name in sets:
        parts = sorted({part for (own, _), each in found.items() if own == name for part in each[0]["linear"]})
        head = [f"linear, {part}" for part in parts] + [f"kNN-1, {part}" for part in parts]
        lines += [
            f"\n{name}\n",
            f"| features | readout | seeds | {' | '.join(head)} |",
            "| --- " * (3 + len(head)) + "|",
        ]
        for (own, row), each in found.items():
            if own == name:
                cells = [_cell([x[what].get(part) for x in each]) for what in ("linear", "knn") for part in parts]
                lines.append(f"| {row} | {len(each)} | {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    with whole_file(out / "table.md") as place:
        place.write_text(text, encoding="utf-8")
    print(text)


def _cell(values: list[float | None]) -> str:
    numbers = [value for value in values if value is not None]
    if not numbers:
        return ""
    spread = f" ± {statistics.stdev(numbers):.1f}" if len(numbers) > 1 else ""
    return f"{statistics.mean(numbers):.1f}{spread}"
