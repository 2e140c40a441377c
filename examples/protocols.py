"""The papers' protocols on a trained encoder: nearest neighbours, linear, semi-supervised, fine-tuned.

Each gives an :class:`Outcome`: the scores of the test clips by name, and how the number was chosen.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from checkpoints import LoadedRun, load_run, restored
from datasets import DataOptions, Sets, groups, load_sets, match_joints
from engine import TrainingOptions, make_fabric
from evaluation import EvaluationOptions, clips_of, probe_settings
from finetune import FinetuneOptions, finetune
from torch import Tensor
from tqdm import tqdm

from skelblocks import streams
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.evaluation import (
    StreamScores,
    accuracy,
    cached_features,
    cluster_scores,
    extract_features,
    knn_scores,
    labelled_draw,
    linear_probe,
    retrieval_scores,
)


@dataclass(kw_only=True)
class ProtocolOptions:
    """What is measured, and how."""

    data: str | None = None  # default, the run's; another set that has the encoder's joints: transfer
    layout: str | None = None  # of the other set, where its joint names do not tell
    split: Literal["cross-subject", "cross-view", "fold", "is_train", "none"] | None = None
    train_ids: list[int] | None = None
    accelerator: str = "auto"
    seed: int = 0
    validation_ids: list[int] = field(default_factory=list)  # training subjects (views, folds) to select on
    select: Literal["last", "validation", "test"] = "last"  # epoch that is reported; "test" is named so in the result
    neighbors: list[int] = field(default_factory=lambda: [1, 5, 10, 20, 40])  # of kNN, all in the details
    vote: int | None = None  # the k of kNN that is reported; default, the run's `neighbors`
    probe: Literal["paper", "standardized"] | None = None  # see `probe_settings`; default, the run's
    fractions: list[float] = field(default_factory=lambda: [0.01, 0.1])  # of the labels, semi-supervised
    draws: int = 5  # of the labelled clips
    semi_protocol: Literal["finetune", "linear"] = "finetune"  # AimCLR, section 4.2: the whole model
    semi: FinetuneOptions = field(default_factory=FinetuneOptions)
    finetune: FinetuneOptions = field(default_factory=FinetuneOptions)


class Outcome(NamedTuple):
    """What a protocol gave.

    Attributes:
        protocol: Its name, the column of a table.
        accuracy: Top 1 in percent.
        scores: Of the test clips.
        selected: How the number was chosen, for instance "last epoch".
        details: Anything else worth keeping, plain numbers.
    """

    protocol: str
    accuracy: float
    scores: StreamScores
    selected: str
    details: dict[str, Any]


class Subject(NamedTuple):
    """An encoder with the clips that it is judged by, and their features."""

    folder: str
    run: LoadedRun
    sets: Sets
    train: Tensor  # features (n, d)
    test: Tensor
    fit: Tensor  # rows of the training clips that classifiers see
    held: Tensor  # rows that select
    pretrained_apart: bool  # whether the run kept to this split of these clips, as far as is known

    @property
    def labels(self) -> tuple[Tensor, Tensor]:
        """Of training and test clips."""
        return self.sets.train.labels, self.sets.test.labels

    def outcome(self, protocol: str, scores: Tensor, *, selected: str, **details: Any) -> Outcome:
        """Name the scores of the test clips."""
        share = 100 * accuracy(scores, self.labels[1], topk=(1,))[1]
        return Outcome(protocol, share, StreamScores(self.sets.test.names, scores.cpu()), selected, details)


def load_subject(folder: str, options: ProtocolOptions, *, run: LoadedRun | None = None) -> Subject:
    """Load a run, its clips, and the features, which are kept in the run's folder.

    Args:
        folder: Of a run, or of a pretrained encoder.
        options: See there.
        run: An encoder to judge in place of the folder's, for instance an untrained one; its features are not kept.

    Raises:
        ValueError: clips without labels or without a split, and ``validation_ids`` that are not there, are all of the
            training clips, or select nothing.
    """
    keep = run is None
    run = run or open_run(folder)
    run.encoder.to(make_fabric(TrainingOptions(accelerator=options.accelerator)).device)
    chosen = data_options(run, options)
    if chosen.split == "none":
        raise ValueError(
            "split: expected one, got 'none', with which a classifier is tested on the clips that it was trained on; "
            "give --split"
        )
    if options.validation_ids and options.select != "validation":
        raise ValueError(
            f"validation_ids: they select nothing with select={options.select!r}; add --select validation, or leave "
            "them out"
        )
    sets = match_joints(load_sets(chosen), run.layout, data=chosen.data)
    if not sets.labelled:
        raise ValueError(f"data: {chosen.data!r} has no labels, and nothing can be evaluated without them")
    train, test = (_features(run, part, folder=results_folder(folder) / "features" if keep else None) for part in sets)
    held = torch.zeros(len(sets.train), dtype=torch.bool)
    if options.select == "validation":
        who = groups(sets.train, chosen.split)
        if who is None:
            raise ValueError("validation_ids: the set does not say who is in a clip, or which camera took it")
        held = torch.from_numpy(np.isin(who, options.validation_ids))
        if not held.any() or held.all():
            there = ", ".join(map(str, np.unique(who)))
            raise ValueError(f"validation_ids: expected some of {there}, not all, got {options.validation_ids}")
    rows = torch.arange(len(held))
    return Subject(folder, run, sets, train, test, rows[~held], rows[held], _apart(run, chosen))


def results_folder(folder: str) -> Path:
    """Where features and figures go: into a run; beside a pretrained folder, which holds nothing but its two files."""
    place = Path(run_folder(folder))
    if (place / "checkpoint.pt").is_file():
        return place / "evaluation"
    return place.resolve().with_name(f"{place.resolve().name}_evaluation")


def run_folder(folder: str) -> str:
    """Without ``:STREAM``."""
    place, _, stream = folder.rpartition(":")
    return place if place and stream in streams.STREAMS else folder


def open_run(folder: str) -> LoadedRun:
    """The encoder of ``FOLDER``, or of ``FOLDER:STREAM`` where several streams were trained together."""
    place = run_folder(folder)
    return load_run(place, stream=folder.removeprefix(place).removeprefix(":") or None)


def data_options(run: LoadedRun, options: ProtocolOptions) -> DataOptions:
    """The run's data, or others, of which the frames, the centre and the alignment are the run's."""
    theirs = restored(DataOptions, run.options)
    given = {name: getattr(options, name) for name in ("data", "layout", "split", "train_ids")}
    given = {name: value for name, value in given.items() if value is not None}
    if "data" in run.options and _same(given.get("data", theirs.data), theirs.data):
        if given.get("split", theirs.split) != theirs.split:
            given.setdefault("train_ids", [])  # theirs are of another kind: subjects are no views
        return dataclasses.replace(theirs, **given)
    if "data" not in given:
        raise ValueError("data: a pretrained encoder does not say which clips to judge it by; give --data and --split")
    return DataOptions(frames=theirs.frames, center=theirs.center, align=theirs.align, **given)


def _same(data: str, other: str) -> bool:
    return Path(data).resolve() == Path(other).resolve()


def _apart(run: LoadedRun, chosen: DataOptions) -> bool:
    theirs = restored(DataOptions, run.options)
    if "data" not in run.options or not _same(chosen.data, theirs.data):
        return True
    return (chosen.split, chosen.train_ids) == (theirs.split, theirs.train_ids)


def _features(run: LoadedRun, part: ArrayDataset | PreparedSet, *, folder: Path | None) -> Tensor:
    dtype = next(run.encoder.parameters()).dtype

    def convert(clips: Tensor) -> Tensor:
        shown.update(len(clips))
        return streams.convert(clips, run.stream, layout=run.layout).to(dtype)

    every = 0.5 if os.isatty(2) else 15
    with tqdm(total=len(part), desc="features", unit="clip", mininterval=every, delay=2) as shown:
        if folder is None:
            return extract_features(run.encoder, clips_of(part), transform=convert).cpu()
        settings = {"stream": run.stream, "layout": run.layout.to_dict()}
        return cached_features(run.encoder, part, folder=folder, settings=settings, transform=convert).cpu()


def knn(subject: Subject, options: ProtocolOptions) -> Outcome:
    """Cosine nearest neighbours for every number of them; the reported one is chosen beforehand, or on validation."""
    (train, test), k = subject.labels, [n for n in options.neighbors if n <= len(subject.fit)]
    classes = num_classes(subject.sets)
    usual: int = min(subject.run.options.get("neighbors", 20), len(subject.fit))
    vote = usual if options.vote is None else options.vote

    def scored(queries: Tensor) -> dict[int, Tensor]:
        bank, labels = subject.train[subject.fit], train[subject.fit]
        return knn_scores(queries, bank, labels, k=sorted({*k, vote}), num_classes=classes)

    scores = scored(subject.test)
    shares = {n: 100 * accuracy(each, test, topk=(1,))[1] for n, each in scores.items()}
    selected = f"k = {vote}, set beforehand"
    if options.select == "validation":
        held = scored(subject.train[subject.held])
        vote = max(held, key=lambda n: accuracy(held[n], train[subject.held], topk=(1,))[1])
        selected = f"k = {vote}, best on the validation set"
    elif options.select == "test":
        vote = max(shares, key=lambda n: shares[n])
        selected = f"k = {vote}, best on the test set"
    return subject.outcome("knn", scores[vote], selected=selected, by_neighbors=shares)


def linear(subject: Subject, options: ProtocolOptions, *, rows: Tensor | None = None) -> Outcome:
    """A linear classifier on the frozen features, as the run has it or as the options say."""
    rows = subject.fit if rows is None else rows
    theirs: EvaluationOptions = restored(EvaluationOptions, subject.run.options)
    held = (subject.train[subject.held], subject.labels[0][subject.held])
    result = linear_probe(
        subject.train[rows],
        subject.labels[0][rows],
        subject.test,
        subject.labels[1],
        **probe_settings(options.probe or theirs.probe, rate=theirs.probe_rate, milestone=theirs.probe_milestone),
        num_classes=num_classes(subject.sets),
        validation=held if options.select == "validation" else None,
        select=options.select,
        generator=torch.Generator().manual_seed(options.seed),
    )
    return subject.outcome("linear", result.logits, selected=result.selected, epoch=result.epoch)


def finetuned(subject: Subject, options: ProtocolOptions) -> Outcome:
    """The whole model, on all the labelled clips."""
    return _finetuned(subject, options, options.finetune, "finetune", rows=subject.fit)


def semi_supervised(subject: Subject, options: ProtocolOptions, *, fraction: float, draw: int) -> Outcome:
    """The whole model, on a share of every class's labels; ``draw`` counts the seeds of the drawing."""
    generator = torch.Generator().manual_seed(1000 * options.seed + draw)
    rows = subject.fit[labelled_draw(subject.labels[0][subject.fit], fraction, generator=generator)]
    name = f"semi {100 * fraction:g} %"
    if options.semi_protocol == "linear":
        outcome = linear(subject, options, rows=rows)._replace(protocol=name)
    else:
        outcome = _finetuned(subject, options, options.semi, name, rows=rows)
    outcome.details["labelled_clips"] = len(rows)
    return outcome


def _finetuned(subject: Subject, options: ProtocolOptions, how: FinetuneOptions, name: str, *, rows: Tensor) -> Outcome:
    result = finetune(
        subject.run.encoder,
        subject.sets,
        how,
        stream=subject.run.stream,
        rows=rows,
        validation=subject.held if options.select == "validation" else None,
        select=options.select,
        seed=options.seed,
        accelerator=options.accelerator,
    )
    return subject.outcome(name, result.logits, selected=result.selected, epoch=result.epoch, history=result.history)


def num_classes(sets: Sets) -> int:
    """Of both parts together."""
    return max(sets.train.num_classes, sets.test.num_classes)


def structure(subject: Subject) -> dict[str, float]:
    """How the features lie, without a classifier: retrieval of training clips by test clips, clusters of test clips.

    Test clips of a class that no training clip has are left out of the retrieval.
    """
    (train, test), bank = subject.labels, subject.train
    asked = torch.isin(test, train)
    found = retrieval_scores(subject.test[asked], test[asked], bank, train, topk=(1, min(5, len(bank))))
    clusters = cluster_scores(subject.test, test)
    return {
        **{f"recall at {k}": 100 * share for k, share in found.recall.items()},
        "mean average precision": 100 * found.mean_average_precision,
        "NMI": 100 * clusters.nmi,
        "adjusted Rand": 100 * clusters.adjusted_rand,
    }


def names_of(subject: Subject) -> tuple[str, ...] | None:
    """Of the classes, where the set has them."""
    return subject.sets.test.class_names or None
