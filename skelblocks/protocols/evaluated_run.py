"""An encoder with its evaluation clips, and the result of a protocol."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from skelblocks import streams
from skelblocks._utils.optional import require
from skelblocks.clips import ClipDataset
from skelblocks.encoders.readout import Readout
from skelblocks.encoders.readout_encoder import ReadoutEncoder
from skelblocks.evaluation import StreamScores, accuracy, cached_features, extract_features
from skelblocks.evaluation.frozen import Precision
from skelblocks.interop.pretrained.check_fits import check_same_coordinates
from skelblocks.protocols.evaluated_clips import chosen_data, evaluated_sets, pretrained_apart
from skelblocks.protocols.options import ProtocolOptions
from skelblocks.protocols.trained_encoder import TrainedEncoder, open_encoder
from skelblocks.training.accuracies import clips_of
from skelblocks.training.dataset_split import groups
from skelblocks.training.datasets import Sets
from skelblocks.training.fabric import make_fabric
from skelblocks.training.options import DataOptions, TrainOptions


class ProtocolResult(NamedTuple):
    """The result of a protocol.

    Attributes:
        protocol: Name of the protocol and of its column in a table.
        accuracy: Top-1 accuracy in percent.
        scores: Scores of the test clips.
        selected: How the epoch or setting was chosen, for instance ``"last epoch"``.
        details: Other plain numbers worth keeping.
        classifier: The encoder and the linear layer on its features, if the protocol keeps its classifier.
    """

    protocol: str
    accuracy: float
    scores: StreamScores
    selected: str
    details: dict[str, Any]
    classifier: tuple[nn.Module, nn.Linear] | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun:
    """An encoder with its evaluation clips and their features.

    Axes: n clips, d features.

    Attributes:
        trained: The encoder and what is known of its training.
        sets: Training and test clips.
        train: Features of the training clips ``(n, d)``.
        test: Features of the test clips.
        fit: Indices of the training clips that fit classifiers.
        held: Indices of the training clips held out for selection.
        data: Options that describe the clips.
        pretrained_apart: Whether pretraining used only the training clips of this split; None if the run does not
            record it.
        readout: How the feature map became one vector.
    """

    trained: TrainedEncoder
    sets: Sets
    train: Tensor
    test: Tensor
    fit: Tensor
    held: Tensor
    data: DataOptions
    pretrained_apart: bool | None
    readout: Readout = "mean"

    @property
    def labels(self) -> tuple[Tensor, Tensor]:
        """Labels of the training clips and of the test clips."""
        return self.sets.train.labels, self.sets.test.labels

    @property
    def num_classes(self) -> int:
        """Number of classes, over both parts."""
        return max(self.sets.train.num_classes, self.sets.test.num_classes)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, if the set has them."""
        return self.sets.test.class_names or None

    def result(self, protocol: str, scores: Tensor, *, selected: str, **details: Any) -> ProtocolResult:
        """Make a result from scores of the test clips ``(n, classes)``.

        Args:
            protocol: Name of the protocol.
            scores: Scores of the test clips.
            selected: How the epoch or setting was chosen.
            **details: Other plain numbers worth keeping.
        """
        percent = 100 * accuracy(scores, self.labels[1], topk=(1,))[1]
        return ProtocolResult(protocol, percent, StreamScores(self.sets.test.names, scores.cpu()), selected, details)


def load_evaluated_run(
    folder: str | Path, options: ProtocolOptions, *, trained: TrainedEncoder | None = None
) -> EvaluatedRun:
    """Open a run, load its clips, and extract their features.

    The features are cached in the folder of the results: ``options.out``, or the run's.

    Args:
        folder: Folder of a run or of a pretrained encoder; ``FOLDER:STREAM`` names one of several streams.
        options: Which clips to use, and how to select the epoch.
        trained: An encoder to evaluate instead of the folder's, for instance an untrained one; its features are not
            cached.

    Returns:
        The encoder with its clips and features.

    Raises:
        FileNotFoundError: There is no encoder or there are no clips.
        ValueError: The clips have no labels, no split or another preprocessing; or ``validation_ids`` are missing,
            cover all training clips, or select nothing.
    """
    keep = trained is None
    trained = trained or open_encoder(folder)
    trained.encoder.to(_device(options.evaluate.accelerator))
    chosen = chosen_data(trained, options.data)
    sets, chosen = evaluated_sets(trained, chosen, layout=options.data.layout, tell=keep)
    check_same_coordinates(sets.train, trained.encoder)
    held = _held_out(sets, chosen, options)
    cache = Path(options.out or trained.results_folder) / "features" if keep else None
    readout = trained.readout if options.readout is None else options.readout
    train, test = (
        _features(trained, part, readout=readout, folder=cache, precision=options.evaluate.precision) for part in sets
    )
    places = torch.arange(len(held))
    return EvaluatedRun(
        trained=trained,
        sets=sets,
        train=train,
        test=test,
        fit=places[~held],
        held=places[held],
        data=chosen,
        pretrained_apart=pretrained_apart(trained, chosen),
        readout=readout,
    )


def _device(accelerator: str) -> torch.device:
    try:
        return make_fabric(TrainOptions(accelerator=accelerator)).device
    except ValueError as error:
        raise ValueError(str(error).replace("train.accelerator", "evaluate.accelerator")) from None


def _held_out(sets: Sets, chosen: DataOptions, options: ProtocolOptions) -> Tensor:
    """A boolean per training clip: whether it is held out for selection."""
    if options.evaluate.select != "validation":
        return torch.zeros(len(sets.train), dtype=torch.bool)
    ids = options.data.validation_ids
    who = groups(sets.train, chosen.split)
    if who is None:
        raise ValueError(
            "data.validation_ids: expected clips with a subject, view or fold, but the set records none; choose "
            "another --evaluate.select"
        )
    held = torch.from_numpy(np.isin(who, ids))
    if not held.any() or held.all() or not np.isin(ids, who).all():
        there = ", ".join(map(str, np.unique(who)))
        raise ValueError(
            f"data.validation_ids: expected some but not all of {there}, got {ids}; choose other ids, such as "
            f"--data.validation_ids [{str(there).partition(',')[0]}]"
        )
    return held


def _features(
    trained: TrainedEncoder, part: ClipDataset, *, readout: Readout, folder: Path | None, precision: Precision
) -> Tensor:
    """Features ``(n, d)`` of all clips, on the CPU."""
    dtype = next(trained.encoder.parameters()).dtype
    model = ReadoutEncoder(trained.encoder, readout)
    tqdm = require("tqdm", extra="train").tqdm
    every = 0.5 if os.isatty(2) else 15
    with tqdm(total=len(part), desc="features", unit="clip", mininterval=every, delay=2) as shown:

        def convert(clips: Tensor) -> Tensor:
            shown.update(len(clips))
            return streams.convert(clips, trained.stream, layout=trained.layout).to(dtype)

        if folder is None:
            return extract_features(model, clips_of(part), transform=convert, precision=precision).cpu()
        settings = {"stream": trained.stream, "layout": trained.layout.to_dict()}
        found = cached_features(model, part, folder=folder, settings=settings, transform=convert, precision=precision)
        return found.cpu()
