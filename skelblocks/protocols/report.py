"""All protocols together, with untrained encoders for comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from skelblocks.encoders import initialize_official
from skelblocks.interop.pretrained.module_config import build_module, describe_module
from skelblocks.protocols.baselines import measure_baselines
from skelblocks.protocols.evaluated_run import EvaluatedRun, load_evaluated_run
from skelblocks.protocols.frozen_protocols import feature_structure
from skelblocks.protocols.options import ProtocolOptions, ReportOptions
from skelblocks.protocols.results import Results, Row
from skelblocks.protocols.run_protocols import measure, run_protocols
from skelblocks.protocols.trained_encoder import open_encoder

UNTRAINED = {"torch": "untrained, torch's initialization", "official": "untrained, N(0, 0.02)"}


def structure_report(folders: Sequence[str | Path], options: ProtocolOptions) -> Results:
    """Measure how well the features of the test clips separate the classes: kNN, retrieval and clustering.

    Args:
        folders: Folders of runs or pretrained encoders.
        options: The options of the evaluation.

    Returns:
        The results by run.
    """
    return _with_structure(run_protocols(folders, ["knn"], options))


def full_report(folders: Sequence[str | Path], options: ReportOptions) -> Results:
    """Run all protocols, fuse the streams, and evaluate untrained encoders and baselines for comparison.

    By default every line uses the ridge probe, which is fair to features of any kind and size.

    Args:
        folders: Folders of runs or pretrained encoders.
        options: The options of the report. ``untrained=False`` leaves out the untrained encoders, ``baselines="none"``
            the baselines.

    Returns:
        The results by run.
    """
    if options.evaluate.probe is None:
        options = dataclasses.replace(options, evaluate=dataclasses.replace(options.evaluate, probe="ridge"))
    several = len({open_encoder(folder).stream for folder in folders}) > 1
    results = run_protocols(folders, ["knn", "linear", "semi", "finetune"], options, fused=several)
    for key, run in results.runs.items() if options.untrained else ():
        for name, row in measure_untrained(run, options, seed=key.seed).items():
            results.untrained.setdefault(f"{results.label(key)}, {name}", []).append(row)
    seeds = list(dict.fromkeys(key.seed for key in results.runs))
    first = next(iter(results.runs.values()))
    results.baselines = measure_baselines(first, options, baselines=options.baselines, seeds=seeds)
    return _with_structure(results)


def measure_untrained(run: EvaluatedRun, options: ProtocolOptions, *, seed: int) -> dict[str, Row]:
    """Evaluate untrained encoders of a run's architecture, by kNN and the linear protocol.

    Args:
        run: The run.
        options: The options of the evaluation.
        seed: Random seed of the weights.

    Returns:
        The results with torch's initialization and with N(0, 0.02), by the label of their line in the table.
    """
    trained = run.trained
    config = describe_module(trained.encoder, role="encoder")
    rows = {}
    for name, label in UNTRAINED.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = build_module(config, role="encoder", layout=trained.layout)
            encoder.to(next(trained.encoder.parameters()))
            if name == "official":
                initialize_official(encoder)
        like = dataclasses.replace(trained, encoder=encoder.eval())
        rows[label] = measure(load_evaluated_run(trained.folder, options, trained=like), ["knn", "linear"], options)
    return rows


def _with_structure(results: Results) -> Results:
    results.structure = {key: feature_structure(run) for key, run in results.runs.items()}
    return results
