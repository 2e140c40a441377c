"""Run protocols on several runs: seeds, streams and their fusion, several methods."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch

from skelblocks._utils.optional import require
from skelblocks.evaluation import FUSION_WEIGHTS, StreamScores, fuse_scores
from skelblocks.protocols.evaluated_run import EvaluatedRun, ProtocolResult, load_evaluated_run
from skelblocks.protocols.finetuned_protocols import finetune_protocol, semi_supervised_protocol
from skelblocks.protocols.frozen_protocols import knn_protocol, linear_protocol
from skelblocks.protocols.options import ProtocolOptions
from skelblocks.protocols.results import FUSED, Results, Row, RunKey
from skelblocks.protocols.trained_encoder import TrainedEncoder, open_encoder

_UNKNOWN = "pretrained"  # stands for the method if a folder does not name it
PROTOCOLS: dict[str, Callable[[EvaluatedRun, ProtocolOptions], ProtocolResult]] = {
    "knn": knn_protocol,
    "linear": linear_protocol,
    "finetune": finetune_protocol,
}


def measure(run: EvaluatedRun, protocols: Iterable[str], options: ProtocolOptions) -> Row:
    """Run protocols on one encoder.

    Args:
        run: The encoder with its clips.
        protocols: Some of ``"knn"``, ``"linear"``, ``"semi"`` and ``"finetune"``.
        options: The options of the evaluation.

    Returns:
        The results by protocol.
    """
    row: Row = {}
    for protocol in protocols:
        if protocol == "semi":
            for fraction in options.semi.fractions:
                draws = range(options.semi.draws)
                results = [semi_supervised_protocol(run, options, fraction=fraction, draw=draw) for draw in draws]
                row[results[0].protocol] = results
        else:
            row[protocol] = [PROTOCOLS[protocol](run, options)]
    return row


def run_protocols(
    folders: Sequence[str | Path], protocols: Sequence[str], options: ProtocolOptions, *, fused: bool = False
) -> Results:
    """Evaluate every run and, optionally, the fused streams of every seed.

    Args:
        folders: Folders of runs or pretrained encoders; ``FOLDER:STREAM`` names one of several streams.
        protocols: Some of ``"knn"``, ``"linear"``, ``"semi"`` and ``"finetune"``.
        options: The options of the evaluation.
        fused: Whether to also fuse the classifiers of each seed's streams. The votes of kNN are never fused.

    Returns:
        The results by run.

    Raises:
        FileNotFoundError: A folder holds no encoder.
        ValueError: A folder is repeated; the runs have different test clips; or, with ``fused``, a seed has only one
            stream or the weights name other streams; or ``evaluate.fit`` is ``"all"`` for another protocol than
            ``"linear"``.
    """
    if options.evaluate.fit == "all" and (fused or list(protocols) != ["linear"]):
        raise ValueError(
            "evaluate.fit: expected 'train', got 'all', which only `skelblocks evaluate linear` takes; leave out "
            "--evaluate.fit"
        )
    keys = run_keys(folders, [open_encoder(folder) for folder in folders], names=options.names)
    if fused:
        check_fusion(keys, options)
    results = Results()
    tqdm = require("tqdm", extra="train").tqdm
    every = 0.5 if os.isatty(2) else 15
    for folder, key in tqdm(
        list(zip(folders, keys, strict=True)), unit="run", mininterval=every, disable=len(folders) == 1
    ):
        run = load_evaluated_run(folder, options)
        check_same_clips(run, next(iter(results.runs.values()), run))
        results.runs[key] = run
        results.rows[key] = measure(run, protocols, options)
    return _with_fusions(results, options) if fused else results


def run_keys(
    folders: Sequence[str | Path], trained: Sequence[TrainedEncoder], *, names: Sequence[str] | None
) -> list[RunKey]:
    """Name the runs by ``names``, else by method, or by folder if a method has two runs with the same seed.

    Args:
        folders: Folders of the runs.
        trained: The encoders in these folders.
        names: One name for each folder, or None.

    Raises:
        ValueError: The number of names is wrong, a folder is repeated, or two runs have the same name, stream and seed.
    """
    if names is not None and len(names) != len(folders):
        raise ValueError(
            f"names: expected one name for each of the {len(folders)} runs, got {len(names)}: {list(names)}; name "
            "every run"
        )
    places = [(each.folder.resolve(), each.stream) for each in trained]
    for place, count in Counter(places).items():
        if count > 1:
            raise ValueError(
                f"runs: expected each run once, got {str(folders[places.index(place)])!r} {count} times; leave out the "
                "repeats"
            )
    keys = [RunKey(each.method or _UNKNOWN, each.stream, each.seed) for each in trained]
    if names is not None:
        keys = [key._replace(name=name) for key, name in zip(keys, names, strict=True)]
    double = {key for key, count in Counter(keys).items() if count > 1}
    if double and names is not None:
        key = min(double)
        raise ValueError(
            f"names: two runs named {key.name!r} have the stream {key.stream!r} and the seed {key.seed}; give them "
            "different names"
        )
    apart = {key.name for key in double}  # every folder of these methods gets its own line
    return [
        key._replace(name=f"{key.name} ({each.folder})") if key.name in apart else key
        for key, each in zip(keys, trained, strict=True)
    ]


def check_fusion(keys: Sequence[RunKey], options: ProtocolOptions) -> None:
    """Check before the evaluation that the streams can be fused after it.

    Raises:
        ValueError: A name and seed has only one stream, or the weights name other streams.
    """
    for (name, seed), streams in _streams(keys).items():
        if len(streams) == 1:
            raise ValueError(
                f"runs: expected at least two streams to fuse, but {name!r} with seed {seed} has only {streams[0]!r}; "
                "add another stream, and --names if the runs have different methods"
            )
        fuse_scores({each: StreamScores(["a clip"], torch.zeros(1, 1)) for each in streams}, weights=options.weights)


def check_same_clips(run: EvaluatedRun, first: EvaluatedRun) -> None:
    """Check that a run has the first run's test clips: other results cannot be compared, averaged or added.

    Raises:
        ValueError: The test clips differ in name, label or content.
    """
    mine, reference = run.sets.test, first.sets.test
    same = mine.names == reference.names and mine.labels.equal(reference.labels)
    if same and run.trained.layout == first.trained.layout and _preprocessed_alike(run, first):
        same = mine[0].clip.shape == reference[0].clip.shape and mine[0].clip.allclose(reference[0].clip, atol=1e-3)
    elif same:  # two methods may use different preprocessing of the same clips
        same = run.data.path == first.data.path
    if not same:
        raise ValueError(
            f"runs: expected the same test clips for all runs, but {str(run.trained.folder)!r} has other clips than "
            f"{str(first.trained.folder)!r}; evaluate the runs one by one, or pass --data.path and --data.split for all"
        )


def fuse_rows(rows: Mapping[str, Row], run: EvaluatedRun, options: ProtocolOptions) -> Row:
    """Fuse the classifiers of several streams, sample by sample.

    Args:
        rows: The results of each stream, all on the same test clips.
        run: The first stream's run, which gives the labels.
        options: The options of the evaluation; ``weights`` is used.

    Returns:
        The results of the fusion by protocol, without kNN, whose votes are not fused.
    """
    fused: Row = {}
    weights = {stream: (options.weights or FUSION_WEIGHTS)[stream] for stream in rows}
    for protocol, results in next(iter(rows.values())).items():
        if protocol == "knn":
            continue
        for i, result in enumerate(results):
            scores = fuse_scores({each: row[protocol][i].scores for each, row in rows.items()}, weights=options.weights)
            together = run.result(protocol, scores.scores, selected=result.selected, weights=weights)
            fused.setdefault(protocol, []).append(together)
    return fused


def _with_fusions(results: Results, options: ProtocolOptions) -> Results:
    """Insert the fusion of each name and seed after its streams."""
    rows: dict[RunKey, Row] = {}
    for (name, seed), streams in _streams(results.rows).items():
        mine = {stream: results.rows[RunKey(name, stream, seed)] for stream in streams}
        rows |= {RunKey(name, stream, seed): row for stream, row in mine.items()}
        rows[RunKey(name, FUSED, seed)] = fuse_rows(mine, results.runs[RunKey(name, streams[0], seed)], options)
    results.rows = rows
    return results


def _streams(keys: Iterable[RunKey]) -> dict[tuple[str, int], list[str]]:
    streams: dict[tuple[str, int], list[str]] = {}
    for key in keys:
        streams.setdefault((key.name, key.seed), []).append(key.stream)
    return streams


def _preprocessed_alike(run: EvaluatedRun, first: EvaluatedRun) -> bool:
    return run.sets.test.preprocessing == first.sets.test.preprocessing
