"""The results of an evaluation as plain numbers."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

import skelblocks
from skelblocks.evaluation import bootstrap_interval, classification_report
from skelblocks.protocols.evaluated_run import EvaluatedRun, ProtocolResult
from skelblocks.protocols.results import FUSED, Results, Row
from skelblocks.protocols.row_differences import row_differences
from skelblocks.training.dataset_split import groups


def results_to_json(results: Results) -> dict[str, Any]:
    """All measurements as plain numbers. Each result has a report by class and a confidence interval.

    Args:
        results: The results of the evaluation.

    Returns:
        ``runs``, ``baselines``, ``untrained``, ``differences`` and ``versions``, for :func:`json.dumps`.
    """
    runs = []
    for key, row in results.rows.items():
        several = results.runs_of(key)
        run, folders = several[0], [str(each.trained.folder) for each in several]
        runs.append(
            {
                "run": folders if key.stream == FUSED else folders[0],
                "name": key.name,
                "method": run.trained.method,
                "stream": key.stream,
                "seed": key.seed,
                "data": run.data.path,
                "split": run.data.split,
                "train_ids": run.data.train_ids,
                "pretrained_apart": run.pretrained_apart,
                "features": results.structure.get(key),
                "results": [_result(run, result) for found in row.values() for result in found],
            }
        )
    differences = {
        line: {
            other: {protocol: interval._asdict() for protocol, interval in found.items()}
            for other, found in beside.items()
        }
        for line, beside in row_differences(results).items()
    }
    versions = {"skelblocks": skelblocks.__version__, "torch": torch.__version__, "python": platform.python_version()}
    beside = {"baselines": _accuracies(results.baselines), "untrained": _accuracies(results.untrained)}
    return {"runs": runs, **beside, "differences": differences, "versions": versions}


def _accuracies(lines: Mapping[str, Sequence[Row]]) -> dict[str, list[dict[str, list[float]]]]:
    return {
        label: [{protocol: [each.accuracy for each in row[protocol]] for protocol in row} for row in rows]
        for label, rows in lines.items()
    }


def _result(run: EvaluatedRun, result: ProtocolResult) -> dict[str, Any]:
    scores, labels = result.scores.scores, run.labels[1]
    who = groups(run.sets.test, "cross-subject")  # clips of one person are alike, whichever split is used
    several = who is not None and len(np.unique(who)) > 1
    interval = bootstrap_interval(scores.argmax(dim=1) == labels, groups=who if several else None)
    return {
        "protocol": result.protocol,
        "accuracy": result.accuracy,
        "selected": result.selected,
        "interval_95": [100 * interval.low, 100 * interval.high],  # over test clips, not over seeds
        "interval_over": "subjects" if several else "clips",
        **result.details,
        "report": classification_report(scores, labels, class_names=run.class_names).to_dict(),
    }
