"""An encoder with the clips that it is judged by: which ones, their features, and what a protocol gave."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from accuracies import clips_of
from datasets import DataOptions, Sets, groups, joint_names, load_sets, match_joints, split_of
from engine import TrainingOptions, make_fabric
from load_run import LoadedRun, load_run, restored
from torch import Tensor, nn
from tqdm import tqdm

from skelblocks import streams
from skelblocks.data import ArrayDataset, PreparedSet
from skelblocks.evaluation import StreamScores, accuracy, cached_features, extract_features
from skelblocks.layouts import SkeletonLayout


@dataclass(kw_only=True)
class CandidateOptions:
    """Which clips an encoder is judged by, and which of them select."""

    data: str | None = None  # default, the run's; another set that has the encoder's joints: transfer
    layout: str | None = None  # of the other set, a name or a .json file; default, by its joint names, else the run's
    split: Literal["cross-subject", "cross-view", "fold", "is_train", "none"] | None = None  # default, the run's
    train_ids: list[int] | None = None  # default, the run's; with another split or set as in training
    accelerator: str = "auto"  # one device
    validation_ids: list[int] = field(default_factory=list)  # training subjects (cameras, folds) to select on
    select: Literal["last", "validation", "test"] = "last"  # epoch that is reported; "test" is named so in the result


class Outcome(NamedTuple):
    """What a protocol gave.

    Attributes:
        protocol: Its name, the column of a table.
        accuracy: Top 1 in percent.
        scores: Of the test clips.
        selected: How the number was chosen, for instance "last epoch".
        details: Anything else worth keeping, plain numbers.
        classifier: The encoder and the linear layer on its pooled features, of a protocol whose classifier is kept.
    """

    protocol: str
    accuracy: float
    scores: StreamScores
    selected: str
    details: dict[str, Any]
    classifier: tuple[nn.Module, nn.Linear] | None = None


class Candidate(NamedTuple):
    """An encoder with the clips that it is judged by, and their features."""

    folder: str
    run: LoadedRun
    sets: Sets
    train: Tensor  # features (n, d)
    test: Tensor
    fit: Tensor  # rows of the training clips that classifiers see
    held: Tensor  # rows that select
    chosen: DataOptions  # which clips these are
    pretrained_apart: bool | None  # whether the run kept to this split of these clips; None: it does not say

    @property
    def labels(self) -> tuple[Tensor, Tensor]:
        """Of training and test clips."""
        return self.sets.train.labels, self.sets.test.labels

    @property
    def num_classes(self) -> int:
        """Of both parts together."""
        return max(self.sets.train.num_classes, self.sets.test.num_classes)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Where the set has them."""
        return self.sets.test.class_names or None

    def outcome(self, protocol: str, scores: Tensor, *, selected: str, **details: Any) -> Outcome:
        """Name the scores of the test clips."""
        share = 100 * accuracy(scores, self.labels[1], topk=(1,))[1]
        return Outcome(protocol, share, StreamScores(self.sets.test.names, scores.cpu()), selected, details)


def load_candidate(folder: str, options: CandidateOptions, *, run: LoadedRun | None = None) -> Candidate:
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
    chosen = dataclasses.replace(chosen, split=split_of(chosen))
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
    layout = _clips_layout(run, options, chosen.data, tell=keep)
    sets = load_sets(chosen, layout=layout)
    if sets.layout != run.layout:
        chosen = dataclasses.replace(chosen, joints=list(run.layout.joints))
    sets = match_joints(sets, run.layout, data=chosen.data)
    if not sets.labelled:
        raise ValueError(f"data: {chosen.data!r} has no labels, and nothing can be evaluated without them")
    train, test = (_features(run, part, folder=results_folder(folder) / "features" if keep else None) for part in sets)
    held = torch.zeros(len(sets.train), dtype=torch.bool)
    if options.select == "validation":
        who = groups(sets.train, chosen.split)
        if who is None:
            raise ValueError("validation_ids: the set does not say who is in a clip, which camera took it, or its fold")
        held = torch.from_numpy(np.isin(who, options.validation_ids))
        if not held.any() or held.all():
            there = ", ".join(map(str, np.unique(who)))
            raise ValueError(f"validation_ids: expected some of {there}, not all, got {options.validation_ids}")
    rows = torch.arange(len(held))
    return Candidate(folder, run, sets, train, test, rows[~held], rows[held], chosen, _apart(run, chosen))


def results_folder(folder: str) -> Path:
    """Where features and figures go: into a run; beside a pretrained folder, which holds nothing but its two files."""
    place = Path(without_stream(folder))
    if (place / "checkpoint.pt").is_file():
        return place / "evaluation"
    return place.resolve().with_name(f"{place.resolve().name}_evaluation")


def without_stream(folder: str) -> str:
    """Without ``:STREAM``."""
    place, _, stream = folder.rpartition(":")
    return place if place and stream in streams.STREAMS else folder


def open_run(folder: str) -> LoadedRun:
    """The encoder of ``FOLDER``, or of ``FOLDER:STREAM`` where several streams were trained together."""
    place = without_stream(folder)
    return load_run(place, stream=folder.removeprefix(place).removeprefix(":") or None)


def data_options(run: LoadedRun, options: CandidateOptions) -> DataOptions:
    """The run's data, or others, of which the frames, the centre and the alignment are the run's."""
    theirs = restored(DataOptions, run.options)
    if theirs.joints is not None:
        theirs.joints = list(run.layout.joints)  # what the option came to
    given = {name: getattr(options, name) for name in ("data", "layout", "split", "train_ids")}
    given = {name: value for name, value in given.items() if value is not None}
    if "data" in run.options and _same(given.get("data", theirs.data), theirs.data):
        if given.get("split", split_of(theirs)) != split_of(theirs):
            given.setdefault("train_ids", [])  # theirs are of another kind: subjects are no views
        return dataclasses.replace(theirs, **given)
    if "data" not in given:
        raise ValueError("data: a pretrained encoder does not say which clips to judge it by; give --data and --split")
    return DataOptions(frames=theirs.frames, center=theirs.center, align=theirs.align, **given)


def _clips_layout(run: LoadedRun, options: CandidateOptions, data: str, *, tell: bool) -> SkeletonLayout | None:
    """The run's, where the clips have it or do not say; None where they or ``options.layout`` say another."""
    mine = run.clips_layout
    if mine is None or options.layout not in (None, mine.name):
        return None
    own = "data" in run.options and _same(data, restored(DataOptions, run.options).data)
    if own or options.layout is not None:
        return mine
    names = joint_names(data)
    if names is None and tell:
        tqdm.write(
            f"{data} does not name its joints; they are taken for those of {mine.name!r}, the run's. If they are "
            "others, say --layout."
        )
    return mine if names in (None, mine.joints) else None


def _same(data: str, theirs: str) -> bool:
    """The run's clips, or those of the same name where the run's are no longer there: they were moved."""
    if Path(data).resolve() == Path(theirs).resolve():
        return True
    return theirs != "synthetic" and not Path(theirs).exists() and Path(data).name == Path(theirs).name


def _apart(run: LoadedRun, chosen: DataOptions) -> bool | None:
    if "data" not in run.options:
        return None
    theirs = restored(DataOptions, run.options)
    if not _same(chosen.data, theirs.data):
        return True
    return (split_of(chosen), chosen.train_ids) == (split_of(theirs), theirs.train_ids)


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
