"""Students of released weights on real sets, as pictures of 2-D joints, beside what needs no training.

    python -m benchmarks.studies.distill baselines --data DIR --teacher FILE --layouts coco-17 mediapipe-33
    python -m benchmarks.studies.distill train --data DIR --teacher FILE --layouts coco-17 --motion others --seeds 0 1
    python -m benchmarks.studies.distill evaluate --data DIR --layouts coco-17 --motion others --readouts mean blocks
    python -m benchmarks.studies.distill table

DIR holds the sets' files, which `real_sets.py` names. A student is trained by `examples/distill.py`: on synthetic
motion alone, on it and the other sets ("others"), or on it and the target's own training clips ("own"). It never sees a
label. Then it sees each target as a photo camera in the place of the recording camera does, without depth, with perfect
joints, with the errors of a pose estimator, and in mirrored pictures. Students and results are kept in a folder; what
is there is skipped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.studies.distill_scores import Pair, Place, measure, measure_each
from benchmarks.studies.distill_tables import table
from benchmarks.studies.distill_targets import TARGETS, Target, load_target, others_of, own_clips
from skelblocks.augment import EstimatorNoise
from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.encoders import STGCN, ReadoutPool
from skelblocks.evaluation import coordinate_features, extract_features, mini_rocket_features
from skelblocks.interop import Pretrained, from_pretrained, save_pretrained
from skelblocks.layouts import SkeletonLayout
from skelblocks.training import DistillOptions, open_teacher
from skelblocks.training.pages import load_script

ROWS = ("MiniRocket", "coordinates", "untrained", "depth0")
CONDITIONS = ("perfect", "noisy", "mirrored")
FLAT = Preprocessing(y="auto", scale="bones", to="ntu-rgb+d", missing="nearest", coordinates=3)
LONG = replace(FLAT, frames=64)  # for MiniRocket
METERS = replace(FLAT, scale=None, y="up")


def prepared(target: Target, layout: str | SkeletonLayout, condition: str, settings: Preprocessing) -> Tensor:
    """Pictures of the target as an encoder takes them; noise comes from a fixed seed."""
    clips = torch.from_numpy(target.pictures(layout, mirrored=condition == "mirrored"))
    if condition == "noisy":
        clips = EstimatorNoise(layout)(clips, generator=torch.Generator().manual_seed(2026))
    return ArrayDataset(clips.numpy(), layout=layout, lengths=target.lengths, preprocessing=settings).as_tensor()


def encode(found: Pretrained, clips: Tensor, kinds: Sequence[Any] = ("mean",)) -> list[Tensor]:
    """Frozen features of each readout, from one pass; absent persons are left out."""
    readouts = [ReadoutPool(kind, layout=found.layout) for kind in kinds]

    def pool(feature_map: Tensor, mask: Tensor) -> Tensor:
        return torch.cat([each(feature_map, mask) for each in readouts], dim=1)

    joined = extract_features(found.encoder, clips, batch_size=64, skip_absent=True, pool=pool)
    size = joined.shape[1] // sum(each.groups for each in readouts)
    return list(joined.split([size * each.groups for each in readouts], dim=1))


def rocket(target: Target, prepare: Callable[[Preprocessing], Tensor], seed: int) -> list[Pair]:
    """MiniRocket's features for each split; its thresholds come from the training clips of the split."""
    clips = prepare(LONG)
    return [
        mini_rocket_features(*(clips[torch.from_numpy(part)] for part in (train, test)), seed=seed)
        for train, test in target.splits
    ]


def baselines(given: argparse.Namespace) -> None:
    """Everything that needs no student."""
    teacher = open_teacher(given.teacher)
    torch.manual_seed(0)
    untrained = Pretrained(encoder=STGCN(teacher.layout).eval())
    for name in given.targets:
        target = load_target(given.data, name)
        for align in ("official", None):
            row = "teacher-turned" if align else "teacher-as-seen"
            places = [Place(f"{row}-{kind}", "recorded", name, "space") for kind in given.readouts]
            space = partial(target.in_space, teacher, align=align)
            measure_each(given.results, places, lambda space=space: encode(teacher, space(), given.readouts), target)
        for layout in given.layouts:
            for condition in given.conditions:
                clips = partial(prepared, target, layout, condition)
                rows: dict[str, Callable[[], Any]] = {
                    f"MiniRocket-seed{seed}": partial(rocket, target, clips, seed) for seed in given.seeds
                }
                rows |= {
                    "coordinates": lambda clips=clips: coordinate_features(clips(LONG)),
                    "untrained": lambda clips=clips: encode(untrained, clips(FLAT))[0],
                    "depth0": lambda clips=clips: encode(teacher, clips(METERS))[0],
                }
                for row, make in rows.items():
                    if row.split("-")[0] in given.rows:
                        measure(given.results, Place(row, layout, name, condition), make, target)


def students(given: argparse.Namespace) -> Iterator[tuple[Path, str, int, list[str]]]:
    """The folder of each student that is asked for, its layout and seed, and the targets that it is for."""
    groups = [given.targets] if given.motion == "synthetic" else [[name] for name in given.targets]
    for layout in given.layouts:
        for seed in given.seeds:
            for group in groups:
                label = "" if given.motion == "synthetic" else f"_{group[0]}"
                yield given.results / f"student_{layout}_{given.motion}{label}_seed{seed}", layout, seed, group


def train(given: argparse.Namespace) -> None:
    """Train students."""
    script: Any = load_script("distill")
    for folder, layout, seed, group in students(given):
        if (folder / "config.json").exists():
            continue
        more = []
        if given.motion == "own":
            more = [own_clips(given.data, group[0], given.results)]
        elif given.motion == "others":
            more = others_of(given.data, group[0])
        options = DistillOptions(
            teacher=(given.teacher,), layout=layout, motion=("synthetic", *more), steps=given.steps, seed=seed
        )
        found, metrics = script.distill(options)
        save_pretrained(
            folder,
            encoder=found.encoder,
            preprocessing=found.preprocessing,
            stream=found.stream,
            metadata={"distilled": options.to_dict(), **metrics},
            overwrite=True,
        )
        print(folder, f"{metrics['seconds']:.0f} s", flush=True)


def evaluate(given: argparse.Namespace) -> None:
    """Measure students that have been trained."""
    for folder, layout, seed, group in students(given):
        if not (folder / "config.json").exists():
            continue
        found = from_pretrained(folder)
        assert found.preprocessing is not None
        for name in group:
            target = load_target(given.data, name)
            if given.motion == "own":  # the other folds have trained the student
                target = replace(target, splits=target.splits[:1])
            for condition in given.conditions:
                rows = [f"{given.motion}-seed{seed}-{kind}" for kind in given.readouts]
                places = [Place(row, layout, name, condition) for row in rows]
                clips = partial(prepared, target, layout, condition, found.preprocessing)
                measure_each(
                    given.results,
                    places,
                    lambda clips=clips, found=found: encode(found, clips(), given.readouts),
                    target,
                )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("baselines", "train", "evaluate", "table"))
    parser.add_argument("--data", default="data")
    parser.add_argument("--teacher", default="teacher.pt")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--layouts", nargs="+", default=["coco-17"])
    parser.add_argument("--motion", default="synthetic", choices=("synthetic", "others", "own"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--conditions", nargs="+", default=["perfect", "noisy"], choices=CONDITIONS)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS, help="of the baselines")
    parser.add_argument("--readouts", nargs="+", default=["mean"])
    parser.add_argument("--results", type=Path, default=Path("runs/distill"))
    given = parser.parse_args(arguments)
    if given.command == "table":
        print(table(given.results))
        return
    {"baselines": baselines, "train": train, "evaluate": evaluate}[given.command](given)


if __name__ == "__main__":
    main()
