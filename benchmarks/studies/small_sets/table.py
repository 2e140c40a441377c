"""The tables of the study: a line a row, means over seeds, and differences from MiniRocket."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.studies.small_sets.across import matrix
from benchmarks.studies.small_sets.claims import what_pieces_change
from benchmarks.studies.small_sets.figures import COUNTS, Hits, averaged, difference, load_hits
from skelblocks._utils.whole_file import whole_file

COLUMNS = ("kNN-1", *(str(count) for count in COUNTS), "all")
BASELINE = "minirocket | mean"


def write_tables(out: Path) -> None:
    """Write OUT/table.md and print it.

    Args:
        out: The folder of the study, whose folder ``hits`` has a file for each set, row, readout and seed.
    """
    lines = []
    for name, rows in sorted(collect(out / "hits").items()):
        base = rows.get(BASELINE)
        lines += [f"\n## {name}\n", *table(rows), ""]
        if base is not None:
            lines += ["Minus MiniRocket, points, with 95 % intervals over test clips:\n", *differences(rows, base)]
    text = "\n".join([*lines, *matrix(out), *what_pieces_change(out)]) + "\n"
    with whole_file(out / "table.md") as place:
        place.write_text(text, encoding="utf-8")
    print(text)


def collect(folder: Path) -> dict[str, dict[str, list[Hits]]]:
    """By set and row the hits of each seed; the folds of a set are one after the other.

    Args:
        folder: With files ``SET=ROW=READOUT=SEED.npz``.
    """
    folds: dict[tuple[str, str, str], dict[str, Hits]] = defaultdict(dict)
    for path in sorted(folder.glob("*.npz")):
        label, row, kind, seed = path.stem.split("=")
        if row.startswith(("across, ", "claims, ")):  # these have tables of their own
            continue
        name, _, fold = label.partition("@")
        folds[name, f"{row} | {kind}", seed][fold] = load_hits(path)
    count: dict[str, int] = defaultdict(int)
    for (name, _, _), parts in folds.items():
        count[name] = max(count[name], len(parts))
    found: dict[str, dict[str, list[Hits]]] = defaultdict(lambda: defaultdict(list))
    for (name, row, _), parts in sorted(folds.items()):
        if len(parts) == count[name]:  # a row whose folds are not all there would be of other test clips
            there = next(iter(parts.values()))
            joined = {column: np.concatenate([parts[fold][column] for fold in sorted(parts)]) for column in there}
            found[name][row].append(joined)
    return found


def table(rows: Mapping[str, Sequence[Hits]]) -> list[str]:
    """The lines of a table: accuracies in percent, mean and deviation over seeds."""
    heads = ["features", "readout", "seeds", *COLUMNS]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for row, seeds in rows.items():
        cells = []
        for column in COLUMNS:
            if column not in seeds[0]:
                cells.append("")
                continue
            values = [100 * float(each[column].mean()) for each in seeds]
            spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.1f}{spread}")
        lines.append(f"| {row} | {len(seeds)} | {' | '.join(cells)} |")
    return lines


def differences(rows: Mapping[str, Sequence[Hits]], base: Sequence[Hits]) -> list[str]:
    """The lines of a table of differences from MiniRocket; the seeds of each side are averaged clip by clip."""
    heads = ["features", "readout", *COLUMNS]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    mean_base = averaged(base)
    for row, seeds in rows.items():
        if row == BASELINE or not re.match("frozen|adapted|nothing|fine", row):
            continue
        own = averaged(seeds)
        found = [difference(own, mean_base, column) if column in own else None for column in COLUMNS]
        cells = ["" if each is None else f"{each[0]:+.1f} ({each[1]:+.1f}, {each[2]:+.1f})" for each in found]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines
