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
from skelblocks.encoders.readout import READOUTS, Readout
from skelblocks.training.option_checks import check_count, check_finite, check_number

START = ("teacher", "nothing")
PRECISION = ("32", "bf16")


@dataclass(frozen=True, kw_only=True)
class DistillOptions:
    """What is distilled, into what, and how.

    Args:
        teacher: Released files or pretrained folders. The features of several are joined.
        layout: The skeleton of the clips that the student will see: a name, or a ``.json`` file.
        coordinates: Of those clips: 2 in a picture, 3 in space.
        motion: What teacher and student look at: ``"synthetic"``, ``.npz`` files and prepared sets of clips in space.
            Their labels are not used. See :func:`~skelblocks.training.open_motion`.
        start: From the ``"teacher"``'s weights, whose skeleton the clips are placed on, or from ``"nothing"``, on the
            layout itself.
        base_channels: Of an ST-GCN that starts from nothing. Default: the teacher's.
        out_channels: Of an ST-GCN that starts from nothing. Default: the teacher's.
        noise: Whether the student sees joints with the errors of a pose estimator, in half of the clips.
        yaw: How far the camera goes to either side, in degrees.
        pitch: How far it goes up and down, in degrees.
        steps: Of training.
        batch_size: Clips of a step.
        learning_rate: At its highest. Default: 0.001 from the teacher's weights; 0.004 from nothing, where that was
            better on held-out training groups.
        weight_decay: Of AdamW.
        readout: Which one the saved encoder has, see :func:`~skelblocks.encoders.readout`. The student imitates the
            mean of the map; ``"mean_std"`` was better than it for what comes after, on held-out training groups.
        precision: ``"bf16"`` computes in half precision, which is twice as fast on many processors.
        device: Where to train.
        seed: Of everything that is drawn.
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
    precision: Literal["32", "bf16"] = "bf16"
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("teacher", "motion"):
            if isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ValueError(f"{name}: expected a list of at least one, got {getattr(self, name)!r}")
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
        """The learning rate at its highest, where it has its default too."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 1e-3 if self.start == "teacher" else 4e-3

    def to_dict(self) -> dict[str, Any]:
        """Everything for the record of the saved encoder; files by their names alone."""
        named = {name: [Path(each).name for each in getattr(self, name)] for name in ("teacher", "motion")}
        return {**asdict(self), **named, "layout": Path(self.layout).name, "learning_rate": self.highest_rate}

    @classmethod
    def parse(cls, given: argparse.Namespace) -> Self:
        """The options of a command line that :func:`add_distill_options` has read."""
        values: dict[str, Any] = {field.name: getattr(given, field.name) for field in fields(cls)}
        values |= {name: tuple(values[name]) for name in ("teacher", "motion")}
        return cls(**values)


def _check_device(name: str) -> None:
    try:
        torch.empty(0, device=torch.device(name))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {name!r} is not available on this machine; try 'cpu'") from error


def add_distill_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of :class:`DistillOptions`, ``--out`` and ``--overwrite``.

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
        "--teacher", nargs="+", required=True, metavar="FILE", help="released weights or pretrained folders"
    )
    parser.add_argument("--layout", required=True, help="skeleton of your clips: a name or a .json file")
    parser.add_argument("--out", type=Path, required=True, metavar="ENCODER", help="the folder to write")
    parser.add_argument(
        "--coordinates", type=int, choices=(2, 3), default=2, help="of your clips: 2 in a picture (default), 3 in space"
    )
    parser.add_argument(
        "--motion",
        action=_Motion,
        default=default["motion"],
        metavar="SET",
        help='what both look at: "synthetic" (default), or clips in space, an .npz file or a prepared set; repeatable',
    )
    parser.add_argument(
        "--start", choices=START, default="teacher", help="the student's first weights (default: the teacher's)"
    )
    parser.add_argument(
        "--no-noise", dest="noise", action="store_false", help="perfect joints, without a pose estimator's errors"
    )
    parser.add_argument(
        "--readout", choices=READOUTS, default=default["readout"], help="of the saved encoder (default: mean_std)"
    )
    parser.add_argument("--precision", choices=PRECISION, default="bf16", help="of the computation (default: bf16)")
    parser.add_argument("--device", default="cpu", help="where to train, such as cuda (default: cpu)")
    parser.add_argument("--overwrite", action="store_true", help="replace a pretrained folder in --out")
    add("base_channels", int, "size of an ST-GCN that starts from nothing")
    add("out_channels", int, "features of an ST-GCN that starts from nothing")
    add("yaw", float, "how far the camera goes to either side, in degrees")
    add("pitch", float, "how far the camera goes up and down, in degrees")
    add("steps", int, "steps of training")
    add("batch_size", int, "clips of a step")
    add("learning_rate", float, "at its highest (default: 0.001; 0.004 with --start nothing)")
    add("weight_decay", float, "of AdamW")
    add("seed", int, "of everything that is drawn")


class _Motion(argparse.Action):
    """Collects the sets; the first one replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        there = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*(there if isinstance(there, list) else []), values])
