"""What an evaluation found, as a Markdown table and as plain numbers."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from candidate import Candidate, Outcome
from datasets import groups

import skelblocks
from skelblocks.evaluation import SeedSummary, bootstrap_interval, classification_report, summarize_seeds

Row = dict[str, list[Outcome]]  # of one encoder, by protocol; of the semi-supervised one, an outcome a draw of labels
FUSED = "fused"


class Results(NamedTuple):
    """What came of several runs.

    Attributes:
        rows: By seed, then by stream.
        candidates: By seed and stream.
        structure: How the features of a seed and stream lie.
        others: Rows of encoders that are no runs, by name.
    """

    rows: dict[int, dict[str, Row]]
    candidates: dict[tuple[int, str], Candidate]
    structure: dict[tuple[int, str], dict[str, float]]
    others: dict[str, list[Row]]


def table(results: Results) -> str:
    """A Markdown table of accuracies: a line a stream, a column a protocol, mean and deviation over seeds.

    Draws of labels are averaged within a seed; of one seed, their deviation is shown.
    """
    lines = {name: list(rows) for name, rows in results.others.items()}
    for by_stream in results.rows.values():
        for stream, row in by_stream.items():
            lines.setdefault(stream, []).append(row)
    protocols = list(dict.fromkeys(name for rows in lines.values() for row in rows for name in row))
    text = [f"| | {' | '.join(protocols)} |", "|---" * (len(protocols) + 1) + "|"]
    text += [f"| {name} | {' | '.join(_cell(rows, each) for each in protocols)} |" for name, rows in lines.items()]
    outcomes = [each for rows in lines.values() for row in rows for several in row.values() for each in several]
    how = "; ".join(dict.fromkeys(f"{outcome.protocol}: {outcome.selected}" for outcome in outcomes))
    text += ["", f"Top-1 accuracy on the test clips, %. Seeds: {', '.join(map(str, results.rows))}. {how}."]
    seen = dict.fromkeys(s.folder for s in results.candidates.values() if s.pretrained_apart is False)
    if seen:
        text += ["", f"Pretrained with another split of these clips, perhaps on test clips: {', '.join(seen)}."]
    if results.structure:
        figures = list(next(iter(results.structure.values())))
        text += ["", f"| features, % | {' | '.join(figures)} |", "|---" * (len(figures) + 1) + "|"]
        for stream in dict.fromkeys(stream for _, stream in results.structure):
            summary = summarize_seeds([values for (_, name), values in results.structure.items() if name == stream])
            text.append(f"| {stream} | {' | '.join(_shown(summary[figure]) for figure in figures)} |")
    return "\n".join([*text, ""])


def _cell(rows: Sequence[Row], protocol: str) -> str:
    runs = [[outcome.accuracy for outcome in row[protocol]] for row in rows if protocol in row]
    if not runs:
        return ""
    if len(runs) == 1:
        return _shown(summarize_seeds(runs[0]), of="draws")
    return _shown(summarize_seeds([float(np.mean(run)) for run in runs]))


def _shown(summary: SeedSummary, *, of: str = "seeds") -> str:
    spread = "" if summary.std is None else f" ± {summary.std:.1f} ({summary.n} {of})"
    return f"{summary.mean:.1f}{spread}"


def to_json(results: Results) -> dict[str, Any]:
    """Everything measured, as plain numbers; with each outcome its report by classes and its interval."""
    runs = []
    for seed, rows in results.rows.items():
        for stream, row in rows.items():
            folders = [candidate.folder for (s, name), candidate in results.candidates.items() if s == seed]
            candidate = results.candidates.get((seed, stream)) or results.candidates[seed, next(iter(rows))]
            runs.append(
                {
                    "run": folders if stream == FUSED else candidate.folder,
                    "stream": stream,
                    "seed": seed,
                    **{name: getattr(candidate.chosen, name) for name in ("data", "split", "train_ids")},
                    "pretrained_apart": candidate.pretrained_apart,
                    "features": results.structure.get((seed, stream)),
                    "outcomes": [_outcome(candidate, outcome) for outcomes in row.values() for outcome in outcomes],
                }
            )
    others = {
        name: [{protocol: [each.accuracy for each in row[protocol]] for protocol in row} for row in rows]
        for name, rows in results.others.items()
    }
    versions = {"skelblocks": skelblocks.__version__, "torch": torch.__version__, "python": platform.python_version()}
    return {"runs": runs, "others": others, "versions": versions}


def _outcome(candidate: Candidate, outcome: Outcome) -> dict[str, Any]:
    scores, labels = outcome.scores.scores, candidate.labels[1]
    who = groups(candidate.sets.test, "cross-subject")  # clips of one person are alike, whatever the split
    several = who is not None and len(np.unique(who)) > 1
    interval = bootstrap_interval(scores.argmax(dim=1) == labels, groups=who if several else None)
    return {
        "protocol": outcome.protocol,
        "accuracy": outcome.accuracy,
        "selected": outcome.selected,
        "interval_95": [100 * interval.low, 100 * interval.high],  # over the test set; seeds are another matter
        "interval_over": "subjects" if several else "clips",
        **outcome.details,
        "report": classification_report(scores, labels, class_names=candidate.class_names).to_dict(),
    }
