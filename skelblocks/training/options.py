"""The options of a training, in groups: ``options.train.epochs`` is ``--train.epochs`` and ``train: {epochs: ...}``.

The comment after each field is its help text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_type_hints

from skelblocks._utils.checks import check_choice
from skelblocks.clips.preprocessing import Align, Nan, Origin, Per, Preprocessing, Scale, Y
from skelblocks.encoders.present_persons import ABSENT, Absent
from skelblocks.encoders.readout import READOUTS, Readout
from skelblocks.layouts.layout_file import get_or_load
from skelblocks.layouts.remap import Missing
from skelblocks.streams import Stream
from skelblocks.training.option_checks import check_count, check_finite, check_number

T = TypeVar("T")
Split = Literal["cross-subject", "cross-view", "fold", "is_train", "none"]


@dataclass(kw_only=True)
class DataOptions:
    """The clips: source, skeleton, preprocessing and split.

    ``path`` is ``"synthetic"``; an .npz file with x (N, C, T, V, M), y, and subject, view, fold or is_train for the
    split; or the folder of a prepared set, which has its own layout, preprocessing and split.
    """

    path: str = "synthetic"  # an .npz file, a prepared set's folder, or "synthetic"
    stream: Stream = "joint"  # the form of the clips that the encoder is trained on
    layout: str | None = None  # skeleton: a name or a .json file; default: by joint names; synthetic: ntu-rgb+d
    frames: int = 50  # frames per clip after resampling; default of MsMCLR's and AimCLR's released code
    center: str | None = "layout"  # joint to move to the origin; "layout": the layout's center; null: none
    per: Per = "frame"  # subtract this joint's position in each frame, or its first position in the clip
    origin: Origin = "own"  # whose center: each person's own, or the first person's for all
    align: Align | Literal["auto"] | None = (
        None  # turn the shoulders to the camera; auto: official where it is possible
    )
    persons: int | None = None  # persons per clip; default: as in the file
    scale: Scale | None = None  # divide by a length of the body; for pixels or unknown units
    y: Y = "up"  # direction in which y grows: down in pictures; auto: decide by shoulders and hips
    to: str | None = None  # convert the clips to this skeleton: a name or a .json file
    missing: Missing = "error"  # joints of data.to that clips lack: an error, or a copy of the nearest joint
    coordinates: int | None = None  # 3: add a zero depth to 2-D clips; 2: drop the third coordinate
    nan: Nan = "error"  # treat NaN coordinates as an error, or as unseen joints, which are filled
    split: Split | None = None  # what separates training and test; default: cross-subject, or the prepared protocol
    train_ids: list[int] = field(default_factory=list)  # who trains; default: odd subjects, or all but the last group
    joints: list[str] | str | None = None  # joints to keep after centering, by name; or a layout: joints it shares
    synthetic: dict[str, int | float] = field(default_factory=dict)  # arguments for skelblocks.data.synthetic_motion

    def __post_init__(self) -> None:
        check_finite(self, group="data")
        check_count(self.frames, name="data.frames")
        if self.persons is not None:
            check_count(self.persons, name="data.persons")

    @property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing of every clip; ``align="auto"``, which depends on the skeleton, is left out."""
        own = {field.name for field in dataclasses.fields(self)}
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(Preprocessing) if each.name in own}
        values["align"] = None if self.align == "auto" else self.align
        return Preprocessing(**{**values, "to": None if self.to is None else get_or_load(self.to)})


@dataclass(kw_only=True)
class TrainOptions:
    """How a method is trained. Defaults: section 4.2 of AimCLR and MsMCLR, then their released code."""

    epochs: int = 300  # passes over the training clips; replaces train.steps of a configuration
    min_steps: int = 0  # train for more epochs if train.epochs gives fewer steps
    steps: int | None = None  # replaces epochs and min_steps: train until this number of steps, in whole epochs
    batch_size: int = 128  # clips per step, over all processes
    optimizer: Literal["sgd", "adam"] = "sgd"  # PSTL uses Adam, the other methods SGD
    learning_rate: float = 0.1  # learning rate after the warm-up
    sgd_momentum: float = 0.9  # momentum of SGD; MsMCLR's paper prints 0.999, the key encoder's momentum
    weight_decay: float = 1e-4  # weight decay of all parameters
    schedule: Literal["step", "cosine"] = "step"  # schedule of the learning rate
    milestones: list[int] = field(default_factory=lambda: [250])  # epochs after which schedule=step divides by ten
    warmup_epochs: float = 0.0  # epochs in which the learning rate rises from zero
    warmup_steps: int | None = None  # the same in steps; beside warmup_epochs, the shorter one counts
    seed: int = 0  # random seed of weights, order, views and dropout
    workers: int = 0  # loader processes; 0: a thread reads batches ahead
    checkpoint_every: int = 1  # epochs between checkpoints
    accelerator: str = "auto"  # kind of device, such as cpu or cuda; torchrun starts several
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"  # auto: by the machine
    sync_batch_norm: bool = False  # compute batch statistics over all processes; on GPUs only
    timeout: float = 600.0  # seconds that a process waits for the others before the run ends
    folder: str | None = None  # folder of the run; default: runs/METHOD_DATA_SPLIT_STREAM_seedSEED
    resume: bool = True  # continue from the folder's checkpoint, if there is one
    start: str | None = None  # initial weights: a released file, a pretrained folder, or a run's folder
    start_rate: float | None = None  # learning rate of the started parts; default: half of train.learning_rate
    start_norm: Literal["keep", "adapt"] = "keep"  # batch norms of a started encoder: keep their statistics, or adapt
    stop: Literal["last", "views"] = "last"  # what a started run saves: the last encoder, or a mix with the start's

    def __post_init__(self) -> None:
        check_finite(self, group="train")
        for name in ("epochs", "batch_size", "checkpoint_every"):
            check_count(getattr(self, name), name=f"train.{name}")
        for name in ("min_steps", "workers", "seed"):
            check_count(getattr(self, name), name=f"train.{name}", least=0)
        for name in ("sgd_momentum", "weight_decay", "warmup_epochs"):
            check_number(getattr(self, name), name=f"train.{name}", least=0)
        for name in ("learning_rate", "timeout"):
            check_number(getattr(self, name), name=f"train.{name}", above=0)
        if self.warmup_steps is not None:
            check_count(self.warmup_steps, name="train.warmup_steps", least=0)
        if self.steps is not None:
            check_count(self.steps, name="train.steps")
            if self.min_steps:
                raise ValueError(
                    f"train.min_steps: expected 0 beside train.steps={self.steps}, got {self.min_steps}; leave one of "
                    "the two out"
                )
        if self.start_rate is not None:
            check_number(self.start_rate, name="train.start_rate", least=0)
        for epoch in self.milestones:
            check_count(epoch, name="train.milestones")

    @property
    def start_share(self) -> float:
        """The learning rate of started parts, as a fraction of ``learning_rate``."""
        return 0.5 if self.start_rate is None else self.start_rate / self.learning_rate


@dataclass(kw_only=True)
class EncoderOptions:
    """The backbone. Defaults: MsMCLR's table 9 and the released code."""

    kind: Literal["stgcn", "dsta", "bigru"] = "stgcn"  # the backbone
    base_channels: int = 16  # channels of ST-GCN's first blocks
    out_channels: int | None = None  # channels of the feature map; default: 256, for BiGRU 2048
    graph: Literal["spatial", "spatial_bfs", "agcn"] = "spatial"  # adjacency of ST-GCN
    dropout: float = 0.5  # dropout rate; BiGRU has no dropout
    absent: Absent = "compute"  # absent persons: encode them, as released code does, or skip them, with a map of zeros
    checkpoint: bool = False  # ST-GCN: run each block again in backward; needs less than half of the memory
    initialization: Literal["official", "torch"] = "official"  # official: N(0, 0.02), as in released code

    def __post_init__(self) -> None:
        check_finite(self, group="encoder")
        check_count(self.base_channels, name="encoder.base_channels")
        if self.out_channels is not None:
            check_count(self.out_channels, name="encoder.out_channels")
        check_number(self.dropout, name="encoder.dropout", least=0, below=1)
        check_choice(self.absent, ABSENT, name="encoder.absent")


@dataclass(kw_only=True)
class ContrastOptions:
    """Embeddings, the queue of negatives, and the key encoder. Defaults: section 4.2 of AimCLR and MsMCLR."""

    embedding: int = 128  # size of an embedding
    head_norm: bool = False  # whether the head has batch normalization
    head_bias: bool = True  # whether the head's linear layers have a bias
    queue_size: int | Literal["auto"] = 32768  # keys used as negatives; auto: fewer than the training clips
    temperature: float = 0.07  # temperature of the similarities
    key_momentum: float = 0.999  # fraction of its weights that the key encoder keeps per step
    key_momentum_schedule: Literal["constant", "cosine"] = "constant"  # cosine: rises to 1 over the run
    exclude_own_keys: bool = False  # exclude a clip's own older keys from its negatives and neighbors
    shear_amplitude: float = 0.5  # amplitude of shear; released configurations, SkeAttnCLR's table 10

    def __post_init__(self) -> None:
        check_finite(self, group="contrast")
        check_count(self.embedding, name="contrast.embedding")
        if self.queue_size != "auto":
            check_count(self.queue_size, name="contrast.queue_size")
        check_number(self.temperature, name="contrast.temperature", above=0)
        check_number(self.key_momentum, name="contrast.key_momentum", least=0, most=1)
        check_number(self.shear_amplitude, name="contrast.shear_amplitude", least=0, most=5)


@dataclass(kw_only=True)
class EvaluateOptions:
    """How a run measures its encoder's accuracies during training."""

    every: int = 10  # epochs between evaluations; 0: only after the last epoch
    probe: Literal["paper", "standardized", "ridge"] = "paper"  # linear probe: see `probe_settings` and `ridge_probe`
    probe_rate: float = 3.0  # learning rate of the papers' probe, which takes 100 epochs
    probe_milestone: int = 80  # epoch after which this rate is divided by ten
    neighbors: int = 20  # number of neighbors for the kNN accuracy
    readout: Readout = "mean"  # how the feature map becomes one vector; the saved encoder records it

    def __post_init__(self) -> None:
        check_finite(self, group="evaluate")
        check_choice(self.readout, READOUTS, name="evaluate.readout")
        check_count(self.every, name="evaluate.every", least=0)
        check_count(self.neighbors, name="evaluate.neighbors")
        check_count(self.probe_milestone, name="evaluate.probe_milestone")
        check_number(self.probe_rate, name="evaluate.probe_rate", above=0)


@dataclass(kw_only=True)
class MethodOptions:
    """The groups of options that every method has. Each method adds its own options.

    Example:
        >>> options = MethodOptions(train=TrainOptions(epochs=40))
        >>> options.train.epochs, options.contrast.queue_size
        (40, 32768)
    """

    data: DataOptions = field(default_factory=DataOptions)
    train: TrainOptions = field(default_factory=TrainOptions)
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    contrast: ContrastOptions = field(default_factory=ContrastOptions)
    evaluate: EvaluateOptions = field(default_factory=EvaluateOptions)

    def __post_init__(self) -> None:
        check_finite(self)

    def trained_streams(self) -> tuple[Stream, ...]:
        """The streams that are trained together. A method with several streams overrides this."""
        return (self.data.stream,)

    def to_dict(self) -> dict[str, Any]:
        """All options as nested plain values, in the form of a run's config.yaml."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}


def options_from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Make options from nested plain values, such as the result of :meth:`MethodOptions.to_dict`.

    Args:
        kind: A dataclass, whose fields may be dataclasses.
        values: Values by name; missing options have their defaults.

    Raises:
        ValueError: A name is unknown, or a value is out of range.

    Example:
        >>> options_from_dict(MethodOptions, {"train": {"epochs": 3}}).train.epochs
        3
    """
    hints = get_type_hints(kind)
    unknown = sorted(values.keys() - hints.keys())
    if unknown:
        raise ValueError(f"options: expected names among {', '.join(hints)}, got {', '.join(unknown)}; correct them")
    groups = {name for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    return kind(
        **{name: options_from_dict(hints[name], value) if name in groups else value for name, value in values.items()}
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
