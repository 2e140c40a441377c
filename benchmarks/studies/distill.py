"""Students of released weights on real sets, as pictures of 2-D joints, beside what needs no training.

    python -m benchmarks.studies.distill baselines --data DIR --teacher FILE --layouts coco-17 mediapipe-33
    python -m benchmarks.studies.distill student --data DIR --teacher FILE --layout coco-17 --motion others --seeds 0 1
    python -m benchmarks.studies.distill table

DIR holds the sets' files, which `real_sets.py` names. A student is trained by `examples/distill.py`: on synthetic
motion alone, on it and the other sets ("others"), or on it and the target's own training clips ("own"). It never sees a
label. Then it sees each target as the recording camera does, without depth, with perfect joints and with the errors of
a pose estimator. Each result is a file RESULTS/NAME.json; what is there is skipped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.distill_tables import table
from benchmarks.studies.distill_targets import NOISES, TARGETS, Target, load_target, others_of, own_clips
from skelblocks.augment import EstimatorNoise
from skelblocks.data import ArrayDataset, Preprocessing
from skelblocks.encoders import STGCN
from skelblocks.evaluation import (
    coordinate_features,
    extract_features,
    knn_accuracy,
    mini_rocket_features,
    ridge_probe,
)
from skelblocks.interop import Pretrained, save_pretrained
from skelblocks.training import DistillOptions, open_teacher
from skelblocks.training.pages import load_script

COUNTS = (1, 5, 10)  # labeled clips of a class
DRAWS = 10
FLAT = Preprocessing(y="auto", scale="bones", to="ntu-rgb+d", missing="nearest", coordinates=3)


def scores(features: Tensor, target: Target, *, test_features: Tensor | None = None) -> dict[str, Any]:
    """kNN-1 by cosine, and a ridge probe on all labels and on ten draws of a few; test accuracies in percent."""
    train, test = torch.from_numpy(target.train), torch.from_numpy(target.test)
    labels = torch.from_numpy(target.labels)
    bank = features[train] if test_features is None else features
    queries = features[test] if test_features is None else test_features
    known, wanted = labels[train], labels[test]

    def probe(rows: Tensor) -> float:
        return 100 * ridge_probe(bank[rows], known[rows], queries, wanted, num_classes=target.classes).accuracy

    few = {str(count): [probe(draw(known, count, seed)) for seed in range(DRAWS)] for count in COUNTS}
    knn = 100 * float(knn_accuracy(bank, known, queries, wanted, k=1))
    return {**few, "all": probe(torch.arange(len(known))), "knn": knn}


def draw(labels: Tensor, count: int, seed: int) -> Tensor:
    """Some training clips of each class, the same ones for every method."""
    generator = np.random.default_rng(seed)
    rows = [generator.permutation(np.flatnonzero(labels.numpy() == each))[:count] for each in np.unique(labels.numpy())]
    return torch.from_numpy(np.concatenate(rows))


def as_pictures(target: Target, layout: str, noise: str) -> np.ndarray[Any, Any]:
    """The target's clips ``(n, 2, t, v, m)``; noise comes from a fixed seed."""
    clips = torch.from_numpy(target.pictures(layout))
    if noise == "perfect":
        return clips.numpy()
    noisy: Tensor = EstimatorNoise(layout)(clips, generator=torch.Generator().manual_seed(2026))
    return noisy.numpy()


def prepared(target: Target, layout: str, noise: str, settings: Preprocessing) -> Tensor:
    """Pictures of the target as an encoder takes them."""
    x = as_pictures(target, layout, noise)
    return ArrayDataset(x, layout=layout, lengths=target.lengths, preprocessing=settings).as_tensor()


def encode(found: Pretrained, clips: Tensor) -> Tensor:
    """Frozen features, absent persons left out."""
    return extract_features(found.encoder, clips, batch_size=64, skip_absent=True)


def baselines(given: argparse.Namespace) -> None:
    """Everything that needs no student."""
    teacher = open_teacher(given.teacher)
    torch.manual_seed(0)
    untrained = Pretrained(encoder=STGCN(teacher.layout).eval())
    for name in given.targets:
        target = load_target(given.data, name)
        path = given.results / f"teacher_{name}.json"
        if not path.exists():
            save(path, {"space": scores(encode(teacher, target.in_space(teacher)), target)})
        for layout in given.layouts:
            own = replace(FLAT, frames=64)
            rows: dict[str, Any] = {}
            path = given.results / f"baselines_{layout}_{name}.json"
            for noise in NOISES if not path.exists() else ():
                flat, clips = (prepared(target, layout, noise, settings) for settings in (FLAT, own))
                meters = Preprocessing(to="ntu-rgb+d", missing="nearest", coordinates=3)
                depth0 = prepared(target, layout, noise, meters)
                rocket = mini_rocket_features(
                    clips[torch.from_numpy(target.train)], clips[torch.from_numpy(target.test)]
                )
                rows[noise] = {
                    "raw coordinates": scores(coordinate_features(clips), target),
                    "MiniRocket": scores(rocket[0], target, test_features=rocket[1]),
                    "untrained": scores(encode(untrained, flat), target),
                    "depth 0": scores(encode(teacher, depth0), target),
                }
            if rows:
                save(path, rows)


def student(given: argparse.Namespace) -> None:
    """Train students and look at the targets."""
    script: Any = load_script("distill")
    given.results.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds:
        for group in [given.targets] if given.motion == "synthetic" else [[name] for name in given.targets]:
            label = "" if given.motion == "synthetic" else f"_{group[0]}"
            path = given.results / f"student_{given.layout}_{given.motion}{label}_seed{seed}.json"
            if path.exists():
                continue
            if given.motion == "own":
                more = [own_clips(given.data, group[0], given.results)]
            else:
                more = [] if given.motion == "synthetic" else others_of(given.data, group[0])
            options = DistillOptions(
                teacher=(given.teacher,),
                layout=given.layout,
                motion=("synthetic", *more),
                steps=given.steps,
                seed=seed,
            )
            found, metrics = script.distill(options)
            if given.keep:
                save_pretrained(
                    path.with_suffix(""),
                    encoder=found.encoder,
                    preprocessing=found.preprocessing,
                    stream=found.stream,
                    metadata={"distilled": options.to_dict()},
                    overwrite=True,
                )
            rows = {
                name: {
                    noise: scores(
                        encode(found, prepared(target, given.layout, noise, found.preprocessing)),
                        target,
                    )
                    for noise in NOISES
                }
                for name in group
                for target in [load_target(given.data, name)]
            }
            save(path, {**metrics, "options": options.to_dict(), "targets": rows})


def save(path: Path, value: object) -> None:
    """Write a result and show where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")
    print(path, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("baselines", "student", "table"))
    parser.add_argument("--data", default="data")
    parser.add_argument("--teacher", default="teacher.pt")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--layouts", nargs="+", default=["coco-17"])
    parser.add_argument("--layout", default="coco-17")
    parser.add_argument("--motion", default="synthetic", choices=("synthetic", "others", "own"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--keep", action="store_true", help="save the students too")
    parser.add_argument("--results", type=Path, default=Path("runs/distill"))
    given = parser.parse_args(arguments)
    if given.command == "table":
        print(table(given.results))
        return
    {"baselines": baselines, "student": student}[given.command](given)


if __name__ == "__main__":
    main()
