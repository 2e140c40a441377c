"""The options of a training, in groups: ``options.train.epochs`` is ``--train.epochs`` and ``train: {epochs: ...}``.

The comment behind each field is its text in ``--help``.
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
    """Which clips, of which skeleton, how they are preprocessed, and which of them test.

    ``path`` is ``"synthetic"``; an .npz file with x (N, C, T, V, M), y, and subject, view, fold or is_train for the
    split; or the folder of a prepared set, which has its own layout, preprocessing and split.
    """

    path: str = "synthetic"  # an .npz file, a prepared set's folder, or "synthetic"
    stream: Stream = "joint"  # what the encoder is trained on
    layout: str | None = None  # a name or a .json file; default: by the file's joint names; synthetic: ntu-rgb+d
    frames: int = 50  # of every clip after resampling; released configurations of MsMCLR and AimCLR
    center: str | None = "layout"  # the joint at the origin of every frame; "layout": the layout's center; null: none
    per: Per = "frame"  # subtract that joint's place in each frame, or its first one in the clip
    origin: Origin = "own"  # whose joint: each person's own, or the first person's for all
    align: Align | None = None  # turn the shoulders to the camera
    persons: int | None = None  # that a clip has room for; default: as in the file
    scale: Scale | None = None  # divide by a length of the body, for coordinates in pixels or of an unknown unit
    y: Y = "up"  # where the second coordinate grows: down in pictures; auto: by shoulders and hips
    to: str | None = None  # turn the clips into this skeleton, a name or a .json file
    missing: Missing = "error"  # joints of data.to that cannot be made: an error, or put where the nearest joint is
    coordinates: int | None = None  # 3: add a zero depth to 2-D clips; 2: drop the third coordinate
    nan: Nan = "error"  # what NaN coordinates are: an error, or joints that are unseen, which are filled
    split: Split | None = None  # what decides who tests; default: cross-subject; of a prepared set, its protocol
    train_ids: list[int] = field(default_factory=list)  # default: the odd subjects, all views or folds but the last
    joints: list[str] | str | None = None  # keep only these, after centering; or those shared with a layout
    synthetic: dict[str, int | float] = field(default_factory=dict)  # arguments of skelblocks.data.synthetic_motion

    def __post_init__(self) -> None:
        check_finite(self, group="data")
        check_count(self.frames, name="data.frames")
        if self.persons is not None:
            check_count(self.persons, name="data.persons")

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to every clip."""
        own = {field.name for field in dataclasses.fields(self)}
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(Preprocessing) if each.name in own}
        return Preprocessing(**{**values, "to": None if self.to is None else get_or_load(self.to)})


@dataclass(kw_only=True)
class TrainOptions:
    """How a method is trained. Defaults: section 4.2 of AimCLR and MsMCLR, then their released code."""

    epochs: int = 300  # passes over the training clips
    min_steps: int = 0  # train for more epochs if these have fewer steps
    steps: int | None = None  # in place of epochs and min_steps: train for the epochs that have this number of steps
    batch_size: int = 128  # clips in all processes together
    optimizer: Literal["sgd", "adam"] = "sgd"  # PSTL trains with Adam, the other methods with SGD
    learning_rate: float = 0.1  # after the warm-up
    sgd_momentum: float = 0.9  # MsMCLR prints 0.999, which is the key encoder's
    weight_decay: float = 1e-4  # of all weights
    schedule: Literal["step", "cosine"] = "step"  # of the learning rate
    milestones: list[int] = field(default_factory=lambda: [250])  # epochs after which the step schedule divides by ten
    warmup_epochs: float = 0.0  # in which the learning rate rises from zero
    seed: int = 0  # of weights, order, views and dropout
    workers: int = 0  # loader processes; 0: a thread reads whole batches ahead of the steps
    checkpoint_every: int = 1  # epochs
    accelerator: str = "auto"  # one device; for several, on one machine or many, start with torchrun
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"  # auto: by the machine
    sync_batch_norm: bool = False  # batch statistics of all processes together; on GPUs only
    timeout: float = 600.0  # seconds that a process waits for the others before it ends the run
    folder: str | None = None  # of the run; default: runs/METHOD_DATA_SPLIT_STREAM_seedSEED
    resume: bool = True  # continue from the folder's checkpoint, if it has one
    start: str | None = None  # weights to start from: a released file, a pretrained folder, or a run's folder
    start_rate: float | None = None  # learning rate of what starts from weights; default: half of train.learning_rate
    start_norm: Literal["keep", "adapt"] = "keep"  # the started encoder's batch norms: keep their statistics, or adapt
    stop: Literal["last", "views"] = "last"  # which encoder a started run keeps: the last, or a mix with the start's

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
        """The learning rate of started parts, as a share of ``learning_rate``."""
        return 0.5 if self.start_rate is None else self.start_rate / self.learning_rate


@dataclass(kw_only=True)
class EncoderOptions:
    """The backbone. Defaults: MsMCLR's table 9 and the released code."""

    kind: Literal["stgcn", "dsta", "bigru"] = "stgcn"  # the backbone
    base_channels: int = 16  # of ST-GCN
    out_channels: int | None = None  # default: 256; of BiGRU 2048
    graph: Literal["spatial", "spatial_bfs", "agcn"] = "spatial"  # ST-GCN's adjacency
    dropout: float = 0.5  # BiGRU has none
    absent: Absent = "compute"  # absent persons: encoded as in released codes, or skipped, with zeros as their map
    initialization: Literal["official", "torch"] = "official"  # the papers are silent; the released code: N(0, 0.02)

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

    embedding: int = 128  # features of an embedding
    head_norm: bool = False  # batch normalization in the head
    head_bias: bool = True  # of the head's linear layers
    queue_size: int | Literal["auto"] = 32768  # keys that serve as negatives; auto: fewer than the training clips
    temperature: float = 0.07  # of the similarities
    key_momentum: float = 0.999  # share of its weights that the key encoder keeps in a step
    key_momentum_schedule: Literal["constant", "cosine"] = "constant"  # cosine: to 1 over the whole run
    exclude_own_keys: bool = False  # leave a clip's own older keys out of its negatives and neighbors
    shear_amplitude: float = 0.5  # of every view that is sheared; released configurations, SkeAttnCLR's table 10

    def __post_init__(self) -> None:
        check_finite(self, group="contrast")
        check_count(self.embedding, name="contrast.embedding")
        if self.queue_size != "auto":
            check_count(self.queue_size, name="contrast.queue_size")
        check_number(self.temperature, name="contrast.temperature", above=0)
        check_number(self.key_momentum, name="contrast.key_momentum", least=0, most=1)
        check_number(self.shear_amplitude, name="contrast.shear_amplitude", least=0)


@dataclass(kw_only=True)
class EvaluateOptions:
    """How a run measures its encoder's accuracies on the way."""

    every: int = 10  # epochs; 0: only after the last
    probe: Literal["paper", "standardized"] = "paper"  # the linear probe's settings, see `probe_settings`
    probe_rate: float = 3.0  # learning rate of the papers' probe; a tenth after the milestone of its 100 epochs
    probe_milestone: int = 80  # the epoch after which that rate is divided by ten
    neighbors: int = 20  # of the kNN accuracy
    readout: Readout = "mean"  # how features are taken from the encoder's map; kept in the saved encoder

    def __post_init__(self) -> None:
        check_finite(self, group="evaluate")
        check_choice(self.readout, READOUTS, name="evaluate.readout")
        check_count(self.every, name="evaluate.every", least=0)
        check_count(self.neighbors, name="evaluate.neighbors")
        check_count(self.probe_milestone, name="evaluate.probe_milestone")
        check_number(self.probe_rate, name="evaluate.probe_rate", above=0)


@dataclass(kw_only=True)
class MethodOptions:
    """The groups that every method has; each method adds options of its own beside them.

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
        """The streams that are trained together; a method of several streams overrides this."""
        return (self.data.stream,)

    def to_dict(self) -> dict[str, Any]:
        """All options as nested plain values, as in a run's config.yaml."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}


def options_from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Make options from nested plain values, as :meth:`MethodOptions.to_dict` gives them.

    Args:
        kind: A dataclass, whose fields may be dataclasses.
        values: Values by name; what is missing has its default.

    Raises:
        ValueError: an unknown name, or a value out of range.

    Example:
        >>> options_from_dict(MethodOptions, {"train": {"epochs": 3}}).train.epochs
        3
    """
    hints = get_type_hints(kind)
    unknown = sorted(values.keys() - hints.keys())
    if unknown:
        raise ValueError(f"options: expected some of {', '.join(hints)}, got {', '.join(unknown)}")
    groups = {name for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    return kind(
        **{name: options_from_dict(hints[name], value) if name in groups else value for name, value in values.items()}
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
