"""The options of an evaluation, in groups: ``options.semi.draws`` is ``--semi.draws`` and ``semi: {draws: ...}``.

The comment behind each field is its text in ``--help``.
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
_LARGEST_SEED = 1 << 48  # draws of labels multiply it by a thousand


@dataclass(kw_only=True)
class EvaluatedDataOptions:
    """Which clips an encoder is evaluated on. Without options they are the clips, and the split, of its training."""

    path: str | None = None  # default: the run's; another set that has the encoder's joints: transfer
    layout: str | None = None  # of that set, a name or a .json file; default: by its joint names, else the run's
    y: Y | None = None  # where the second coordinate grows in that set; default: as in the run's
    to: str | None = None  # turn the clips into this skeleton, the encoder's; default: as in the training
    missing: Missing | None = None  # joints of data.to that cannot be made; default: as in the training
    coordinates: int | None = None  # 3: add a zero depth to 2-D clips; 2: drop the third; default: as in the training
    nan: Nan | None = None  # what NaN coordinates are: an error, or joints that are unseen; default: as in the training
    split: Split | None = None  # what decides who tests; default: the run's
    train_ids: list[int] | None = None  # default: the run's; with another split or set as in training
    validation_ids: list[int] = field(default_factory=list)  # training subjects (cameras, folds) to select on


@dataclass(kw_only=True)
class MeasureOptions:
    """How the accuracies on frozen features are measured, and which epoch of a classifier is reported."""

    select: Literal["last", "validation", "test"] = "last"  # epoch that is reported; "test" is named so in the result
    neighbors: list[int] = field(default_factory=lambda: [1, 5, 10, 20, 40])  # of kNN; all are in the details
    k: int | None = None  # number of neighbors that is reported; default: the run's evaluate.neighbors
    probe: Literal["paper", "standardized", "ridge"] | None = None  # of the linear protocol; default: the run's
    seed: int = 0  # of the classifiers and of the draws of labels
    accelerator: str = "auto"  # one device
    precision: Precision = "own"  # of features: the encoder's; bf16; or auto: bfloat16 where the machine has it

    def __post_init__(self) -> None:
        check_finite(self, group="evaluate")
        check_choice(self.select, _SELECTS, name="evaluate.select")
        check_choice(self.precision, PRECISIONS, name="evaluate.precision")
        check_choice(self.probe, (None, "paper", "standardized", "ridge"), name="evaluate.probe")
        if not self.neighbors:
            raise ValueError("evaluate.neighbors: expected at least one number of neighbors, got []")
        for number in self.neighbors:
            check_count(number, name="evaluate.neighbors")
        if self.k is not None:
            check_count(self.k, name="evaluate.k")
        check_count(self.seed, name="evaluate.seed", least=0)
        if self.seed >= _LARGEST_SEED:
            raise ValueError(f"evaluate.seed: expected an integer below {_LARGEST_SEED}, got {self.seed}")


@dataclass(kw_only=True)
class ProtocolOptions:
    """What every command on runs knows.

    Example:
        >>> ProtocolOptions(semi=SemiOptions(draws=3)).semi.draws
        3
    """

    data: EvaluatedDataOptions = field(default_factory=EvaluatedDataOptions)
    evaluate: MeasureOptions = field(default_factory=MeasureOptions)
    semi: SemiOptions = field(default_factory=SemiOptions)
    finetune: FinetuneOptions = field(default_factory=FinetuneOptions)
    out: str | None = None  # folder; default: `evaluation` in the first run's, NAME_evaluation beside a pretrained NAME
    readout: Readout | None = None  # how features are taken from the map; default: as the encoder was saved
    names: list[str] | None = None  # of the runs' rows, one a run; runs of one name are seeds; default: the methods
    weights: dict[str, float] | None = None  # of the streams in a fusion; default: joint 0.6, bone 0.6, others 0.4

    def __post_init__(self) -> None:
        check_choice(self.readout, (None, *READOUTS), name="readout")
        weights = (self.weights or {}).values()
        if not all(0 < weight < inf for weight in weights):
            raise ValueError(f"weights: expected finite numbers above 0, got {self.weights}")
        if self.data.validation_ids and self.evaluate.select != "validation":
            raise ValueError(
                f"data.validation_ids: they select nothing with evaluate.select={self.evaluate.select!r}; add "
                "--evaluate.select validation, or leave them out"
            )


@dataclass(kw_only=True)
class FuseOptions(ProtocolOptions):
    """What the fusion knows besides."""

    protocol: Literal["linear", "semi", "finetune"] = "linear"  # whose classifiers are fused

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.protocol, ("linear", "semi", "finetune"), name="protocol")


@dataclass(kw_only=True)
class ReportOptions(ProtocolOptions):
    """What the report knows besides. Its linear probe is ``"ridge"`` for every line, unless another one is named."""

    untrained: bool = True  # evaluate untrained encoders of the same kind too, of both initializations
    baselines: Baselines = "coordinates"  # features that nothing was learned for; minirocket: and MiniRocket
    animation: bool = True  # of a test clip
    html: str | None = None  # a page to write, such as report.html: tables, curves and pictures in one file

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.baselines, BASELINES, name="baselines")
