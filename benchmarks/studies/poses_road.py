"""From the files of a pose estimator to labels of clips: what the whole road is worth, by accuracy.

    python -m benchmarks.studies.poses_road write nw_ucla.npz FOLDER
    skelblocks prepare poses --root FOLDER/poses --labels FOLDER/labels.csv --split recording --test 'test/*' \
        --window none --people split --persons 1 --recorded-fps 30 --for ENCODER --out FOLDER/set
    skelblocks evaluate linear ENCODER --data.path FOLDER/set --evaluate.probe ridge --out FOLDER/linear
    skelblocks classify FOLDER/linear/linear_model FOLDER/set --part test --out FOLDER/labels_found.csv
    python -m benchmarks.studies.poses_road measure ENCODER FOLDER/set --out FOLDER/results.json

``write`` turns a set of motion in space, an .npz file with ``x``, ``length``, ``y``, ``joint_names`` and
``class_names``, into what an estimator of 17 COCO joints would write for pictures of it: pixels, y down, a perspective
camera at the sensor's place, one json file in AlphaPose's form for each clip, without ids. 7.7 % of the joints are
missing, as in real output; in 5 % of the frames a ghost is listed; in every third clip somebody else stands behind; and
the persons of a frame are listed in random order. ``measure`` compares the encoder with MiniRocket and with raw
coordinates on the clips of the prepared set: kNN-1, a ridge probe, and 1, 5 and 10 labels a class in ten draws, with
paired intervals.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.whole_file import whole_file
from skelblocks.data import PreparedSet
from skelblocks.encoders import ReadoutEncoder
from skelblocks.evaluation import (
    coordinate_features,
    extract_features,
    knn_accuracy,
    mini_rocket_features,
    paired_bootstrap,
    ridge_probe,
)
from skelblocks.interop import from_pretrained

MISSING, GHOSTS, STRANGERS = 0.077, 0.05, 3  # share of joints, share of frames, every how many-th clip
FOCAL, WIDTH, HEIGHT = 525.0, 640, 480  # a Kinect's camera, in pixels
LABELS, DRAWS = (1, 5, 10), 10


def project(x: NDArray[Any], *, mirrored: bool) -> NDArray[np.float64]:
    """Pixels ``(2, t, v)``, y down, of a body ``(3, t, v)`` in meters: x to the sensor's left, y up, z away from it."""
    depth = np.maximum(x[2], 0.3)
    side = x[0] if mirrored else -x[0]
    return np.stack([WIDTH / 2 + FOCAL * side / depth, HEIGHT / 2 - FOCAL * x[1] / depth])


def frames_of(pixels: NDArray[Any], others: list[NDArray[Any]], rng: np.random.Generator) -> list[list[NDArray[Any]]]:
    """What an estimator lists for each frame: people as ``(17, 3)`` arrays of x, y and score, in random order."""
    frames = []
    for t in range(pixels.shape[1]):
        people = []
        for body in (pixels, *others):
            score = rng.uniform(0.5, 1.0, 17)
            lost = rng.random(17) < MISSING
            rows = np.stack([*body[:, min(t, body.shape[1] - 1)], score], axis=1)
            rows[lost] = 0
            people.append(rows)
        if rng.random() < GHOSTS:
            shape = rng.uniform(-25, 25, (17, 2)) + rng.uniform([0, 0], [WIDTH, HEIGHT])
            ghost = np.concatenate([shape, rng.uniform(0.1, 0.5, (17, 1))], axis=1)
            ghost[rng.random(17) < 0.6] = 0
            people.append(ghost)
        frames.append([people[place] for place in rng.permutation(len(people))])
    return frames


def write(data: Path, folder: Path, *, mirrored: bool, seed: int) -> None:
    """Write the json files and the csv of labels."""
    with np.load(data) as file:
        arrays = {name: file[name] for name in file.files}
    source = next(
        layout
        for layout in map(layouts.get, layouts.available())
        if layout.joints == tuple(map(str, arrays["joint_names"]))
    )
    x, _ = layouts.remap(arrays["x"][..., 0], source=source, target="coco-17", axis=-1, missing="nearest")
    test = arrays["view"] == 3 if "view" in arrays else arrays["subject"] % 2 == 0
    left_out = arrays.get("duplicate_of_other_view", np.zeros(len(x), dtype=bool)).astype(bool) & test
    rng = np.random.default_rng(seed)
    rows = []
    for i in np.flatnonzero(~left_out).tolist():
        pixels = project(x[i, :, : arrays["length"][i]], mirrored=mirrored)
        strangers = []
        if i % STRANGERS == 0:  # somebody else, half as large, off to a side
            other = rng.integers(len(x))
            behind = project(x[other, :, : arrays["length"][other]], mirrored=mirrored)
            middle = np.array([WIDTH / 2, HEIGHT / 2])[:, None, None]
            strangers.append((behind - middle) / 2 + middle + np.array([rng.choice([-200, 200]), 0])[:, None, None])
        name = f"{'test' if test[i] else 'train'}/{i:05}"
        entries = [
            {
                "image_id": f"{t}.jpg",
                "category_id": 1,
                "keypoints": [round(float(value), 2) for value in person.ravel()],
                "score": round(float(person[:, 2].sum()), 3),
            }
            for t, people in enumerate(frames_of(pixels, strangers, rng))
            for person in people
        ]
        path = folder / "poses" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(entries), encoding="utf-8")
        subject = f"subject {int(arrays['subject'][i])}"
        rows.append([f"{name}.json", str(arrays["class_names"][arrays["y"][i]]), subject])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as text:
        csv.writer(text).writerows([["file", "label", "subject"], *rows])


def clips_of(prepared: PreparedSet) -> Tensor:
    """All clips of a part, ``(n, c, t, v, m)``."""
    return prepared.batch(np.arange(len(prepared)))


def measure(encoder: Path, folder: Path, *, kernels: int, readout: str | None) -> dict[str, Any]:
    """Accuracies of each kind of features, and the paired differences from MiniRocket."""
    train, test = (PreparedSet(folder, part=part) for part in ("train", "test"))  # type: ignore[arg-type]
    clips, tested = clips_of(train), clips_of(test)
    pretrained = from_pretrained(encoder)
    model = ReadoutEncoder(pretrained.encoder, readout or pretrained.readout)
    features = {
        "encoder": (
            extract_features(model, pretrained.finish(clips)),
            extract_features(model, pretrained.finish(tested)),
        ),
        "minirocket": mini_rocket_features(clips, tested, kernels=kernels),
        "coordinates": (coordinate_features(clips), coordinate_features(tested)),
    }
    groups = train.groups("subject") if "subject" in train.group_names else None
    results: dict[str, Any] = {"clips": [len(train), len(test)], "rows": {}, "against_minirocket": {}}
    right: dict[str, dict[str, Tensor]] = {}
    for name, (known, asked) in features.items():
        row = {"knn1": knn_accuracy(known, train.labels, asked, test.labels, k=1)}
        whole = ridge_probe(known, train.labels, asked, test.labels, groups=groups)
        row["all"] = whole.accuracy
        right[name] = {"all": (whole.logits.argmax(dim=1) == test.labels).double()}
        for count in LABELS:
            hits = []
            for draw in range(DRAWS):
                chosen = few(train.labels, count, seed=draw)
                found = ridge_probe(known[chosen], train.labels[chosen], asked, test.labels)
                hits.append((found.logits.argmax(dim=1) == test.labels).double())
            right[name][str(count)] = torch.stack(hits).mean(dim=0)
            row[str(count)] = float(right[name][str(count)].mean())
        results["rows"][name] = {key: round(100 * value, 2) for key, value in row.items()}
        print(name, results["rows"][name], flush=True)
    for cell, own in right["encoder"].items():
        found = paired_bootstrap(own, right["minirocket"][cell])
        results["against_minirocket"][cell] = [round(100 * float(value), 2) for value in found]
    print("encoder minus minirocket", results["against_minirocket"])
    return results


def few(labels: Tensor, count: int, *, seed: int) -> Tensor:
    """The places of ``count`` clips of each class, drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for label in labels.unique().tolist():
        places = torch.nonzero(labels == label).flatten()
        drawn.append(places[torch.randperm(len(places), generator=generator)[:count]])
    return torch.cat(drawn).sort().values


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write", help="make json files out of motion in space")
    writing.add_argument("data", type=Path)
    writing.add_argument("folder", type=Path)
    writing.add_argument("--mirrored", action="store_true", help="as a camera for video calls shows people")
    writing.add_argument("--seed", type=int, default=0)
    measuring = commands.add_parser("measure", help="compare an encoder with MiniRocket and raw coordinates")
    measuring.add_argument("encoder", type=Path)
    measuring.add_argument("set", type=Path)
    measuring.add_argument("--out", type=Path, required=True)
    measuring.add_argument("--kernels", type=int, default=10_000)
    measuring.add_argument("--readout", help="of the encoder (as it was saved)")
    given = parser.parse_args()
    if given.command == "write":
        write(given.data, given.folder, mirrored=given.mirrored, seed=given.seed)
        return
    results = measure(given.encoder, given.set, kernels=given.kernels, readout=given.readout)
    with whole_file(given.out) as place:
        place.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
