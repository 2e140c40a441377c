"""Train an encoder for any skeleton: a student learns to predict the features of released weights, without labels.

    python distill.py --teacher released.pt --layout coco-17 --out encoders/coco17

The teacher gets a 3-D clip. The student gets the same motion as it would appear in your clips: with your skeleton, seen
by a random camera, with the errors of a pose estimator. ``skelblocks distill`` runs this page. Copy it to change it:
``skelblocks copy distill .``
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from skelblocks import layouts
from skelblocks.data import Preprocessing
from skelblocks.encoders import STGCN, pool
from skelblocks.interop import Pretrained, save_pretrained
from skelblocks.losses import FeatureDistillationLoss
from skelblocks.training import (
    DistillOptions,
    NonFiniteLossError,
    StudentView,
    Teacher,
    add_distill_options,
    derive_seed,
    motion_stream,
    open_teacher,
)

CALIBRATION = 512  # clips for the mean and the deviation of the teacher's features
WARMUP = 30  # steps in which the learning rate rises


class Student(nn.Module):
    """An encoder whose pooled features are compared with the teacher's.

    Args:
        encoder: The encoder to keep after training.
        targets: Features of the teacher, ``(n, d)``.
        started: Whether the encoder starts with the teacher's weights, so that its features are used directly.
            Otherwise, or if the sizes differ, a linear layer predicts the features, in units of their deviations.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, encoder: Any, *, targets: Tensor, started: bool) -> None:
        super().__init__()
        self.encoder = encoder
        own, features = encoder.out_channels, targets.shape[1]
        self.projection = None
        if not started or own != features:
            self.projection = nn.Sequential(nn.BatchNorm1d(own), nn.Linear(own, features))
        self.register_buffer("mean", targets.mean(dim=0))
        self.register_buffer("deviation", targets.std(dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(n, d)`` of clips ``(n, c, t, v, 1)``."""
        pooled: Tensor = pool(self.encoder(x))
        if self.projection is None:
            return pooled
        guesses: Tensor = self.mean + self.deviation * self.projection(pooled).float()
        return guesses


def build(options: DistillOptions, teachers: Sequence[Pretrained]) -> Pretrained:
    """The untrained student, with the preprocessing of its clips."""
    first = teachers[0]
    encoder: Any = first.encoder
    layout = layouts.get_or_load(options.layout)
    assert first.preprocessing is not None
    clips = Preprocessing(
        frames=first.preprocessing.frames,
        center=first.preprocessing.center if options.start == "teacher" else "layout",
        scale="bones",
        y="auto" if options.coordinates == 2 else "up",
    )
    if options.start == "teacher":
        placed = replace(clips, to=first.layout, missing="nearest", coordinates=encoder.in_channels)
        return Pretrained(encoder=encoder, preprocessing=placed.for_clips_of(layout), stream=first.stream)
    own = STGCN(
        layout,
        in_channels=options.coordinates,
        base_channels=options.base_channels or encoder.base_channels,
        out_channels=options.out_channels or encoder.out_channels,
    )
    return Pretrained(encoder=own, preprocessing=clips, stream=first.stream)


def distill(options: DistillOptions) -> tuple[Pretrained, dict[str, float]]:
    """Train a student.

    Args:
        options: All options, such as teachers, skeleton and motion.

    Returns:
        The student, for :func:`save_pretrained`, and the final metrics.

    Raises:
        NonFiniteLossError: the loss is not finite.
        ValueError: options, teachers and motion do not fit together.
    """
    torch.manual_seed(options.seed)
    device = torch.device(options.device)
    teacher = Teacher(*map(open_teacher, options.teacher)).to(device)
    found = build(options, [open_teacher(path) for path in options.teacher])
    assert found.preprocessing is not None
    view = StudentView(
        layouts.get_or_load(options.layout),
        preprocessing=found.preprocessing,
        coordinates=options.coordinates,
        stream=found.stream,
        noise=options.noise,
        yaw=options.yaw,
        pitch=options.pitch,
    )
    batches = motion_stream(
        options.motion,
        batch_size=options.batch_size,
        frames=found.preprocessing.frames or 50,
        seed=options.seed,
        device=device,
    )
    count = math.ceil(CALIBRATION / options.batch_size)
    half = torch.autocast(device.type, torch.bfloat16, enabled=options.half)
    with half:
        features = torch.cat([teacher(motion) for batch in itertools.islice(batches, count) for motion in batch])
    loss_of = FeatureDistillationLoss(features).to(device)
    student = Student(found.encoder, targets=features, started=options.start == "teacher").to(device).train()
    dropouts = {module: module.p for module in student.modules() if isinstance(module, nn.Dropout)}
    for module in dropouts:
        module.p = 0.0  # imitation needs no regularization
    optimizer = torch.optim.AdamW(student.parameters(), lr=options.highest_rate, weight_decay=options.weight_decay)
    generator = torch.Generator(device).manual_seed(derive_seed(options.seed, 1))
    started, losses = time.perf_counter(), []
    for step, batch in enumerate(itertools.islice(batches, options.steps)):
        for group in optimizer.param_groups:
            group["lr"] = options.highest_rate * rate_at(step, options.steps)
        clips = torch.cat([view(motion, generator=generator) for motion in batch])
        with half:
            targets = torch.cat([teacher(motion) for motion in batch])
            guesses = student(clips)
        loss = loss_of(guesses.float(), targets)
        if not bool(loss.isfinite()):
            raise NonFiniteLossError(f"the loss of step {step + 1} is {loss.item()}; lower --learning-rate")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0 or step + 1 in (10, options.steps):
            mean = sum(losses[-50:]) / len(losses[-50:])
            left = (time.perf_counter() - started) / (step + 1) * (options.steps - step - 1)
            print(f"step {step + 1} of {options.steps}, loss {mean:.3f}, {left / 60:.1f} min left", file=sys.stderr)
    for module, rate in dropouts.items():
        module.p = rate
    metrics = {"loss": sum(losses[-50:]) / len(losses[-50:]), "seconds": time.perf_counter() - started}
    return replace(found, encoder=student.encoder.cpu().eval(), readout=options.readout), metrics


def rate_at(step: int, steps: int) -> float:
    """The factor of the learning rate: a linear warm-up, then half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * step / steps)) * min(1.0, (step + 1) / WARMUP)


def run(args: argparse.Namespace) -> None:
    """Run the parsed command line."""
    options = DistillOptions.parse(args)
    check_place(args.out, overwrite=args.overwrite)
    found, metrics = distill(options)
    rounded = {name: round(value, 3) for name, value in metrics.items()}
    save_pretrained(
        args.out,
        encoder=found.encoder,
        preprocessing=found.preprocessing,
        stream=found.stream,
        readout=found.readout,
        metadata={"distilled": options.to_dict(), **rounded},
        overwrite=args.overwrite,
    )
    print(f"{args.out}: an encoder for {options.layout}, loss {rounded['loss']} after {rounded['seconds']:.0f} s")


def check_place(out: Path, *, overwrite: bool) -> None:
    """Check before training that the result can be written."""
    if out.exists() and not overwrite and (out.is_file() or any(out.iterdir())):
        raise FileExistsError(f"out: {str(out)!r} is not empty; choose another folder, or pass --overwrite")


def main() -> None:
    """Parse the command line and distill."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_distill_options(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
