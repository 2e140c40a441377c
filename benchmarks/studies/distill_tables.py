"""The tables of the distillation study, as Markdown."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.studies.distill_scores import COLUMNS, Place
from skelblocks.evaluation import paired_bootstrap

Row = list[Mapping[str, Any]]  # one result for each seed


def table(results: Path) -> str:
    """All results of a folder: one table for each target, layout and condition.

    Accuracies are means over the draws and the seeds, with the deviation over the seeds. The other number of a student
    is its difference from MiniRocket on the same clips, with the 95 % interval of a paired bootstrap over test clips.
    """
    found: dict[tuple[str, str, str], dict[str, Row]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(results.glob("*__*__*__*.json")):
        place = Place(*path.stem.split("__"))
        row = re.sub(r"-seed\d+", "", place.row)
        found[place.target, place.layout, place.condition][row].append(json.loads(path.read_text()))
    return "\n\n".join(_one(title, rows, found) for title, rows in sorted(found.items()))


def _one(title: tuple[str, str, str], rows: dict[str, Row], found: Mapping[Any, dict[str, Row]]) -> str:
    target, layout, condition = title
    rivals = {"MiniRocket": rows.get("MiniRocket", [])}
    rivals |= {name: row for name, row in found.get((target, "recorded", "space"), {}).items() if condition != "space"}
    lines = [f"{target}, {layout}, {condition}", "", f"| | {' | '.join(COLUMNS)} |", "| --- " * 6 + "|"]
    for name, row in sorted(rows.items()):
        seeds = f" ({len(row)} seeds)" if len(row) > 1 else ""
        lines.append(f"| {name}{seeds} | {' | '.join(accuracy(row, column) for column in COLUMNS)} |")
        if name.split("-")[0] in ("synthetic", "others", "own"):
            lines += [
                f"| ... minus {rival} | {' | '.join(difference(row, other, column) for column in COLUMNS)} |"
                for rival, other in rivals.items()
                if other and (rival == "MiniRocket" or rival.endswith(name.split("-")[-1]))
            ]
    return "\n".join(lines)


def accuracy(row: Row, column: str) -> str:
    """Mean over draws, and over seeds with their deviation."""
    values = [float(np.mean(each[column]["draws"])) for each in row]
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


def difference(row: Row, other: Row, column: str) -> str:
    """How much better a row is than another on the clips that both have tested."""
    ours, theirs = (_hits(each, column) for each in (row, other))
    number = min(len(ours), len(theirs))
    if not number:
        return "-"
    found = paired_bootstrap(ours[:number], theirs[:number])
    return f"{100 * found.difference:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def _hits(row: Sequence[Mapping[str, Any]], column: str) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([each[column]["hits"] for each in row], axis=0)
    return mean
