"""The options of an evaluation, in groups: ``options.semi.draws`` is ``--semi.draws`` and ``semi: {draws: ...}``.

The comment after each field is its help text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Literal, get_args

from skelblocks._utils.checks import check_choice
from skelblocks.clips.preprocessing import Nan, Y
from skelblocks.encoders.readout import READOUTS, Readout
from skelblocks.evaluation.frozen import PRECISIONS, Precision
from skelblocks.layouts.remap import Missing
from skelblocks.protocols.finetune_options import FinetuneOptions, SemiOptions
from skelblocks.training.option_checks import check_count, check_finite
from skelblocks.training.options import Split

Baselines = Literal["none", "coordinates", "minirocket"]
BASELINES: tuple[Baselines, ...] = get_args(Baselines)
_SELECTS = ("last", "validation", "test")
_LARGEST_SEED = 1 << 48  # draws of labels multiply the seed by a thousand


@dataclass(kw_only=True)
class EvaluatedDataOptions:
    """The clips to evaluate on. By default these are the clips and the split of the encoder's training."""

    path: str | None = None  # default: the run's set; or another set with the encoder's joints
    layout: str | None = None  # skeleton of that set: a name or a .json file; default: by joint names, else the run's
    y: Y | None = None  # direction in which the second coordinate grows; default: as in the run's set
    to: str | None = None  # convert the clips to this skeleton, which must be the encoder's; default: as in training
    missing: Missing | None = None  # what to do about joints of data.to that clips lack; default: as in training
    coordinates: int | None = None  # 3: add a zero depth to 2-D clips; 2: drop the third; default: as in training
    nan: Nan | None = None  # treat NaN coordinates as an error, or as unseen joints; default: as in training
    split: Split | None = None  # what separates training and test clips; default: the run's split
    train_ids: list[int] | None = None  # training subjects, cameras or folds; default: the run's
    validation_ids: list[int] = field(default_factory=list)  # training subjects, cameras or folds to select on


@dataclass(kw_only=True)
class MeasureOptions:
    """How to measure accuracies on frozen features, and which epoch of a classifier to report."""

    select: Literal["last", "validation", "test"] = "last"  # epoch to report; results name the choice "test"
    neighbors: list[int] = field(default_factory=lambda: [1, 5, 10, 20, 40])  # for kNN; results have each
    k: int | None = None  # number of neighbors to report; default: the run's evaluate.neighbors
    probe: Literal["paper", "standardized", "ridge"] | None = None  # linear classifier; default: the run's
    fit: Literal["train", "all"] = "train"  # clips for the classifier that linear saves; all: the test clips too
    seed: int = 0  # random seed of the classifiers and of the draws of labels
    accelerator: str = "auto"  # kind of device, such as cpu or cuda
    precision: Precision = "own"  # of features: the encoder's; bf16; or auto: bfloat16 if the machine supports it

    def __post_init__(self) -> None:
        check_finite(self, group="evaluate")
        check_choice(self.select, _SELECTS, name="evaluate.select")
        check_choice(self.fit, ("train", "all"), name="evaluate.fit")
        if self.fit == "all" and self.select != "last":
            raise ValueError(
                f"evaluate.fit: expected 'train' with evaluate.select={self.select!r}, got 'all', which leaves no "
                "clips to select on; leave out --evaluate.select"
            )
        check_choice(self.precision, PRECISIONS, name="evaluate.precision")
        check_choice(self.probe, (None, "paper", "standardized", "ridge"), name="evaluate.probe")
        if not self.neighbors:
            raise ValueError("evaluate.neighbors: expected at least one number of neighbors, got []; try [1, 5, 20]")
        for number in self.neighbors:
            check_count(number, name="evaluate.neighbors")
        if self.k is not None:
            check_count(self.k, name="evaluate.k")
        check_count(self.seed, name="evaluate.seed", least=0)
        if self.seed >= _LARGEST_SEED:
            raise ValueError(f"evaluate.seed: expected an integer below {_LARGEST_SEED}, got {self.seed}")


@dataclass(kw_only=True)
class ProtocolOptions:
    """The options of every protocol that evaluates runs.

    Example:
        >>> ProtocolOptions(semi=SemiOptions(draws=3)).semi.draws
        3
    """

    data: EvaluatedDataOptions = field(default_factory=EvaluatedDataOptions)
    evaluate: MeasureOptions = field(default_factory=MeasureOptions)
    semi: SemiOptions = field(default_factory=SemiOptions)
    finetune: FinetuneOptions = field(default_factory=FinetuneOptions)
    out: str | None = None  # results folder; default: RUN/evaluation, or NAME_evaluation beside a pretrained NAME
    readout: Readout | None = None  # how the feature map becomes one vector; default: as the encoder was saved
    names: list[str] | None = None  # a row name for each run; equal names are seeds of one row; default: the methods
    weights: dict[str, float] | None = None  # of the streams in a fusion; default: joint and bone 0.6, others 0.4

    def __post_init__(self) -> None:
        check_choice(self.readout, (None, *READOUTS), name="readout")
        weights = (self.weights or {}).values()
        if not all(0 < weight < inf for weight in weights):
            raise ValueError(f"weights: expected finite numbers > 0, got {self.weights}; choose others")
        if self.data.validation_ids and self.evaluate.select != "validation":
            raise ValueError(
                f"data.validation_ids: expected none with evaluate.select={self.evaluate.select!r}, which selects "
                "nothing on them; add --evaluate.select validation, or leave them out"
            )


@dataclass(kw_only=True)
class FuseOptions(ProtocolOptions):
    """The options of the fusion: all of :class:`ProtocolOptions`, and the fused protocol."""

    protocol: Literal["linear", "semi", "finetune"] = "linear"  # protocol whose classifiers are fused

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.protocol, ("linear", "semi", "finetune"), name="protocol")


@dataclass(kw_only=True)
class ReportOptions(ProtocolOptions):
    """The options of the report, besides :class:`ProtocolOptions`. The default linear probe is ``"ridge"``."""

    untrained: bool = True  # also evaluate untrained encoders of the same kind, with both initializations
    baselines: Baselines = "coordinates"  # features that need no training; minirocket adds MiniRocket
    animation: bool = True  # also draw an animated test clip
    html: str | None = None  # also write this page, such as report.html: tables, curves and pictures in one file

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.baselines, BASELINES, name="baselines")
