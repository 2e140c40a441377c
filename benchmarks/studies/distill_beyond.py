"""Distillation beyond pictures of one skeleton: one measured row each.

    python -m benchmarks.studies.distill_beyond space --data DIR --teacher FILE
    python -m benchmarks.studies.distill_beyond small --data DIR --teacher FILE
    python -m benchmarks.studies.distill_beyond joined --data DIR --teacher FILE FILE FILE
    python -m benchmarks.studies.distill_beyond long --data DIR --teacher FILE --steps 1500
    python -m benchmarks.studies.distill_beyond adapt --data DIR --teacher FILE

``space`` distills onto other joints in space: SBU's, HDM05's, and the 17 joints of Human3.6M, onto which NW-UCLA's
Kinect joints are placed. ``small`` makes a student of about one fifteenth of the size. ``joined`` has several
teachers, ``long`` more steps. ``adapt`` trains on NW-UCLA's own training clips without labels, by SkeletonCLR: the
student after the distillation, on pictures, or the teacher before it, on clips in space. The rest is as in
`distill.py`, whose student of synthetic motion must be in the results.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.distill import CONDITIONS, encode, prepared
from benchmarks.studies.distill_scores import Place, measure_each
from benchmarks.studies.distill_targets import TARGETS, Target, load_target
from skelblocks import layouts
from skelblocks.cli import main as skelblocks
from skelblocks.data import ArrayDataset
from skelblocks.evaluation import model_cost
from skelblocks.interop import Pretrained, from_pretrained, save_pretrained
from skelblocks.layouts import SkeletonLayout
from skelblocks.training import DistillOptions, open_teacher
from skelblocks.training.pages import load_script

SPACE = {"sbu": "sbu", "hdm05": "hdm05", "nw-ucla": "h36m-17"}  # a set, and the joints that its clips get
ADAPT = ("--train.epochs", "8", "--train.warmup_epochs", "1", "--contrast.shear_amplitude", "0.2")


def student(given: argparse.Namespace, name: str, **options: Any) -> Pretrained:
    """Train a student, or open the one that is there."""
    folder = given.results / f"beyond_{name}_seed{given.seed}"
    if not (folder / "config.json").exists():
        script: Any = load_script("distill")
        chosen = DistillOptions(
            **{"teacher": tuple(given.teacher), "steps": given.steps, "seed": given.seed, **options}
        )
        found, metrics = script.distill(chosen)
        save_pretrained(
            folder,
            encoder=found.encoder,
            preprocessing=found.preprocessing,
            stream=found.stream,
            metadata={"distilled": chosen.to_dict(), **metrics},
        )
        print(folder, f"{metrics['seconds']:.0f} s", flush=True)
    return from_pretrained(folder)


def look(
    given: argparse.Namespace, row: str, found: Pretrained, name: str, layout: str | SkeletonLayout = "coco-17"
) -> None:
    """Measure a student of pictures on a set."""
    assert found.preprocessing is not None
    target, joints = load_target(given.data, name), layouts.get(layout)
    for condition in CONDITIONS[:2]:
        places = [Place(f"{row}-seed{given.seed}-{kind}", joints.name, name, condition) for kind in given.readouts]
        clips = partial(prepared, target, joints, condition, found.preprocessing)
        measure_each(given.results, places, lambda clips=clips: encode(found, clips(), given.readouts), target)


def space(given: argparse.Namespace) -> None:
    """Students of clips in space, on other joints."""
    teacher = open_teacher(given.teacher[0])
    for name, layout in SPACE.items():
        target = load_target(given.data, name)
        found = student(given, f"space_{layout}", layout=layout, coordinates=3, noise=False)
        rows = {"space": in_space(found, target, layout)}
        rows |= {
            f"teacher-{'turned' if align else 'as-seen'}": target.in_space(teacher, layout=layout, align=align)
            for align in ("official", None)
        }
        for row, clips in rows.items():
            places = [Place(f"{row}-{kind}", layout, name, "space") for kind in given.readouts]
            encoder = found if row == "space" else teacher
            measure_each(given.results, places, partial(encode, encoder, clips, given.readouts), target)


def in_space(found: Pretrained, target: Target, layout: str) -> Tensor:
    """The clips with the joints of a layout, as a student takes them."""
    return ArrayDataset(
        target.joints(layout), layout=layout, lengths=target.lengths, preprocessing=found.preprocessing
    ).as_tensor()


def small(given: argparse.Namespace) -> None:
    """A small student: parameters, size, speed and accuracies."""
    names = [name for name in layouts.get("coco-17").joints if "eye" not in name and "ear" not in name]
    joints = replace(layouts.restrict("coco-17", names), name="coco-13")  # a depth camera has no joints in the face
    place = given.results / "coco-13.json"
    layouts.save(joints, place)
    rows = {
        "small": given.results / f"beyond_small_seed{given.seed}",
        "whole": given.results / f"student_coco-17_synthetic_seed{given.seed}",
    }
    student(given, "small", layout=str(place), start="nothing", base_channels=8, out_channels=64)
    costs = {}
    for row, folder in rows.items():
        found = from_pretrained(folder)
        clip = torch.randn(1, found.encoder.in_channels, 50, found.layout.num_joints, 1)
        cost = model_cost(found.encoder, clip)
        size = (folder / "model.safetensors").stat().st_size
        costs[row] = {"parameters": cost.parameters, "bytes": size, "macs": cost.macs, "ms": speed(found, clip)}
        print(row, costs[row], flush=True)
    for name in TARGETS:
        look(given, "small", from_pretrained(rows["small"]), name, joints)
    (given.results / "beyond_costs.json").write_text(json.dumps(costs, indent=1) + "\n", encoding="utf-8")


@torch.inference_mode()
def speed(found: Pretrained, clip: Tensor, *, turns: int = 50) -> float:
    """The median time of a clip in milliseconds."""
    times = []
    for _ in range(turns):
        began = time.perf_counter()
        found.encoder(clip)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times[5:]))


def joined(given: argparse.Namespace, *, name: str = "joined") -> None:
    """A student of several teachers."""
    found = student(given, name, layout="coco-17")
    for target in TARGETS:
        look(given, name, found, target)


def long(given: argparse.Namespace) -> None:
    """A student of more steps, by ``--steps``."""
    joined(given, name="long")


def adapt(given: argparse.Namespace) -> None:
    """Adapt and distill on NW-UCLA, in both orders."""
    plain = given.results / f"student_coco-17_synthetic_seed{given.seed}"
    target = load_target(given.data, "nw-ucla")
    train, _ = target.splits[0]
    own = target.part(train)
    pictures, whole = (given.results / f"adapt_{kind}.npz" for kind in ("pictures", "space"))
    facts = {"y": own.labels} if own.lengths is None else {"y": own.labels, "length": own.lengths}
    joints = np.array(layouts.get("coco-17").joints)
    np.savez(pictures, allow_pickle=False, x=own.pictures("coco-17"), joint_names=joints, **facts)
    np.savez(whole, allow_pickle=False, x=own.clips, joint_names=np.array(own.layout.joints), **facts)
    flat = ["--data.coordinates", "3", "--data.scale", "bones", "--data.y", "auto"]
    after = adapted(given, "student", str(plain), pictures, flat)
    look(given, "distilled-adapted", after, "nw-ucla")
    before = adapted(given, "teacher", given.teacher[0], whole, ["--data.align", "official"])
    places = [Place(f"teacher-adapted-{kind}", "recorded", "nw-ucla", "space") for kind in given.readouts]
    measure_each(given.results, places, lambda: encode(before, target.in_space(before), given.readouts), target)
    folder = given.results / "adapted_teacher"
    save_pretrained(folder, encoder=before.encoder, preprocessing=before.preprocessing, overwrite=True)
    found = student(given, "adapted", layout="coco-17", teacher=(str(folder),))
    look(given, "adapted-distilled", found, "nw-ucla")


def adapted(given: argparse.Namespace, name: str, start: str, clips: Path, options: list[str]) -> Pretrained:
    """An encoder after a training without labels."""
    folder = given.results / f"adapt_{name}_seed{given.seed}"
    words = ["train", "skeletonclr", "--config", "adapt", "--start", start, "--data.path", str(clips), "--data.split"]
    words += ["none", "--data.to", "ntu-rgb+d", "--data.missing", "nearest", *options, *ADAPT]
    words += ["--train.precision", "bf16-mixed", "--train.accelerator", "cpu", "--train.folder", str(folder)]
    if skelblocks([*words, "--train.seed", str(given.seed)]):
        raise RuntimeError("the training has failed")
    found = from_pretrained(next(folder.glob("**/model.safetensors")).parent)
    assert found.preprocessing is not None
    return replace(found, preprocessing=replace(found.preprocessing, source=None))


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = {"space": space, "small": small, "joined": joined, "long": long, "adapt": adapt}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--data", default="data")
    parser.add_argument("--teacher", nargs="+", default=["teacher.pt"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--readouts", nargs="+", default=["mean"])
    parser.add_argument("--results", type=Path, default=Path("runs/distill"))
    given = parser.parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    commands[given.command](given)


if __name__ == "__main__":
    main()
