"""The options of ``skelblocks distill``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch
from typing_extensions import Self

from skelblocks._utils.checks import check_choice
from skelblocks._utils.native_bfloat16 import native_bfloat16
from skelblocks.encoders.readout import READOUTS, Readout
from skelblocks.training.option_checks import check_count, check_finite, check_number

START = ("teacher", "nothing")
PRECISION = ("32", "bf16", "auto")


@dataclass(frozen=True, kw_only=True)
class DistillOptions:
    """The options of a distillation.

    Args:
        teacher: Released files or pretrained folders. The features of several teachers are concatenated.
        layout: Skeleton of the student's clips: a name or a ``.json`` file.
        coordinates: Coordinates of the student's clips: 2 in a picture, 3 in space.
        motion: The motion that teacher and student see: ``"synthetic"``, ``.npz`` files and prepared sets of clips in
            space. Labels are not used. See :func:`~skelblocks.training.open_motion`.
        start: Initial weights of the student. ``"teacher"``: the teacher's weights; clips are then placed on the
            teacher's skeleton. ``"nothing"``: new weights, on the layout itself.
        base_channels: Base channels of an ST-GCN with new weights. Default: the teacher's.
        out_channels: Output channels of an ST-GCN with new weights. Default: the teacher's.
        noise: Whether half of the student's clips get the errors of a pose estimator.
        yaw: Largest angle of the camera to either side, in degrees.
        pitch: Largest angle of the camera up or down, in degrees.
        steps: Number of training steps.
        batch_size: Clips per step.
        learning_rate: Peak learning rate. Default: 0.001 with the teacher's weights and 0.004 with new weights, which
            was better on held-out training groups.
        weight_decay: Weight decay of AdamW.
        readout: Readout of the saved encoder, see :func:`~skelblocks.encoders.readout`. The student imitates the mean
            of the map, but ``"mean_std"`` gave better features on held-out training groups.
        precision: ``"bf16"`` computes in bfloat16, which is twice as fast on many processors. ``"auto"`` does so
            where the device computes in bfloat16 itself.
        device: Where to train.
        seed: Random seed.
    """

    teacher: tuple[str, ...]
    layout: str
    coordinates: int = 2
    motion: tuple[str, ...] = ("synthetic",)
    start: Literal["teacher", "nothing"] = "teacher"
    base_channels: int | None = None
    out_channels: int | None = None
    noise: bool = True
    yaw: float = 100.0
    pitch: float = 15.0
    steps: int = 600
    batch_size: int = 32
    learning_rate: float | None = None
    weight_decay: float = 1e-3
    readout: Readout = "mean_std"
    precision: Literal["32", "bf16", "auto"] = "bf16"
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("teacher", "motion"):
            if isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ValueError(f"{name}: expected a list with at least one entry, got {getattr(self, name)!r}")
        check_choice(self.start, START, name="start")
        check_choice(self.precision, PRECISION, name="precision")
        check_choice(self.readout, READOUTS, name="readout")
        check_choice(self.coordinates, (2, 3), name="coordinates")
        check_finite(self)
        for name in ("steps", "base_channels", "out_channels"):
            if getattr(self, name) is not None:
                check_count(getattr(self, name), name=name)
        check_count(self.batch_size, name="batch_size", least=2)
        check_count(self.seed, name="seed", least=0)
        for name in ("yaw", "pitch"):
            check_number(getattr(self, name), name=name, least=0, most=180)
        if self.learning_rate is not None:
            check_number(self.learning_rate, name="learning_rate", above=0)
        check_number(self.weight_decay, name="weight_decay", least=0)
        _check_device(self.device)
        if self.start == "teacher" and (self.base_channels or self.out_channels):
            raise ValueError(
                "base_channels, out_channels: expected none, since the student starts from the teacher's weights; pass "
                "--start nothing"
            )

    @property
    def highest_rate(self) -> float:
        """The peak learning rate, with its default filled in."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 1e-3 if self.start == "teacher" else 4e-3

    @property
    def half(self) -> bool:
        """Whether the computation is in bfloat16."""
        if self.precision == "auto":
            return native_bfloat16(torch.device(self.device)) is not None
        return self.precision == "bf16"

    def to_dict(self) -> dict[str, Any]:
        """All options, for the record of the saved encoder. Files appear by name only."""
        named = {name: [Path(each).name for each in getattr(self, name)] for name in ("teacher", "motion")}
        settled = {"learning_rate": self.highest_rate, "precision": "bf16" if self.half else "32"}
        return {**asdict(self), **named, "layout": Path(self.layout).name, **settled}

    @classmethod
    def parse(cls, args: argparse.Namespace) -> Self:
        """Make options from the arguments of a parser with :func:`add_distill_options`."""
        values: dict[str, Any] = {field.name: getattr(args, field.name) for field in fields(cls)}
        values |= {name: tuple(values[name]) for name in ("teacher", "motion")}
        return cls(**values)


def _check_device(name: str) -> None:
    try:
        torch.empty(0, device=torch.device(name))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {name!r} is not available on this machine; try 'cpu'") from error


def add_distill_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of :class:`DistillOptions`, ``--out`` and ``--overwrite`` to a parser.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_distill_options(parser)
        >>> words = ["--teacher", "a.pt", "--layout", "coco-17", "--out", "mine"]
        >>> DistillOptions.parse(parser.parse_args(words)).motion
        ('synthetic',)
    """
    default = {field.name: field.default for field in fields(DistillOptions)}

    def add(name: str, kind: type, text: str, **more: Any) -> None:
        shown = "" if default[name] is None else f" (default: {default[name]})"
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, default=default[name], help=text + shown, metavar="N", **more
        )

    parser.add_argument(
        "--teacher", nargs="+", required=True, metavar="FILE", help="released files or pretrained folders"
    )
    parser.add_argument("--layout", required=True, help="skeleton of your clips: a name or a .json file")
    parser.add_argument("--out", type=Path, required=True, metavar="ENCODER", help="folder to write")
    parser.add_argument(
        "--coordinates",
        type=int,
        choices=(2, 3),
        default=2,
        help="coordinates of your clips: 2 in a picture, 3 in space (default: 2)",
    )
    parser.add_argument(
        "--motion",
        action=_Motion,
        default=default["motion"],
        metavar="SET",
        help="motion to learn from: synthetic, or an .npz file or prepared set of clips in space; repeatable (default: "
        "synthetic)",
    )
    parser.add_argument(
        "--start", choices=START, default="teacher", help="initial weights of the student (default: the teacher's)"
    )
    parser.add_argument(
        "--no-noise", dest="noise", action="store_false", help="train without simulated errors of a pose estimator"
    )
    parser.add_argument(
        "--readout",
        choices=READOUTS,
        default=default["readout"],
        help="readout of the saved encoder (default: mean_std)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISION,
        default="bf16",
        help="precision of the computation; auto: bf16 where the device has it (default: bf16)",
    )
    parser.add_argument("--device", default="cpu", help="where to train, such as cuda (default: cpu)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing pretrained folder in --out")
    add("base_channels", int, "base channels of an ST-GCN with --start nothing")
    add("out_channels", int, "output channels of an ST-GCN with --start nothing")
    add("yaw", float, "largest angle of the camera to either side, in degrees")
    add("pitch", float, "largest angle of the camera up or down, in degrees")
    add("steps", int, "training steps")
    add("batch_size", int, "clips per step")
    add("learning_rate", float, "peak learning rate (default: 0.001; 0.004 with --start nothing)")
    add("weight_decay", float, "weight decay of AdamW")
    add("seed", int, "random seed")


class _Motion(argparse.Action):
    """Collect the sets; the first one replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        there = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*(there if isinstance(there, list) else []), values])
