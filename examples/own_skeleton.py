"""Use your own skeleton: define it, draw it, train on it without labels, and evaluate the features.

    python own_skeleton.py --epochs 5

The example is an upper body of eleven joints, as for a seated person, and synthetic motion replaces your recordings.
Copy this file and edit it: ``skelblocks copy own_skeleton .``
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from skelblocks import layouts
from skelblocks.data import ArrayDataset, Preprocessing, from_arrays, synthetic_motion
from skelblocks.layouts import SkeletonLayout
from skelblocks.training import Sets, load_page, parse_options
from skelblocks.viz import draw_skeleton

UPPER_BODY = {
    "name": "upper-body",
    "joints": [
        *("neck", "head", "spine"),
        *("shoulder_left", "elbow_left", "wrist_left", "hand_left"),
        *("shoulder_right", "elbow_right", "wrist_right", "hand_right"),
    ],
    # Each joint with its parent, which is closer to the center. Bones and the encoder's graph use these pairs.
    "edges": [[1, 0], [2, 0], [3, 0], [4, 3], [5, 4], [6, 5], [7, 0], [8, 7], [9, 8], [10, 9]],
    "center": 0,
    # The joint on the other side, for mirror images.
    "swap": [0, 1, 2, 7, 8, 9, 10, 3, 4, 5, 6],
    # Every joint is in one part and in one body. MsM attention uses both as scales, and augmentations swap bodies.
    "parts": {
        "trunk": [0, 2],
        "head": [1],
        "left_arm": [3, 4],
        "left_hand": [5, 6],
        "right_arm": [7, 8],
        "right_hand": [9, 10],
    },
    "bodies": {"left_arm": [3, 4, 5, 6], "right_arm": [7, 8, 9, 10], "torso": [0, 1, 2]},
}


def record(layout: SkeletonLayout) -> tuple[ArrayDataset, torch.Tensor]:
    """The whole set, and a mask of the training clips.

    Recordings may have any order of axes and any length: ``from_arrays`` pads them, and ``ArrayDataset`` centers and
    resamples them on access.
    """
    motion = synthetic_motion(layout, classes=6, subjects=12, views=2, frames=40)
    recorded = [clip[:, : 30 + i % 10, :, 0].permute(1, 2, 0).numpy() for i, clip in enumerate(motion.x)]
    padded = from_arrays(recorded, "T V C", layout=layout)
    whole = ArrayDataset(
        padded.clips,
        layout=layout,
        lengths=padded.lengths,
        labels=motion.labels.numpy(),
        class_names=motion.class_names,
        preprocessing=Preprocessing(frames=32),
    )
    return whole, motion.cross_subject()


def main() -> None:
    """Define, draw, train, evaluate."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--method", default="msmclr", help="msmclr, aimclr, skeletonclr, skeattnclr, actclr, pstl, isc or a Python file"
    )
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--folder", default="runs/own_skeleton")
    args = parser.parse_args()
    layout = layouts.get(UPPER_BODY)  # raises an error that locates mistakes
    folder = Path(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    layouts.save(layout, folder / "upper_body.json")  # for --data.layout of `skelblocks train`

    whole, mask = record(layout)
    sets = Sets(whole.subset(mask.numpy()), whole.subset(~mask.numpy()))
    # Check the sides in the picture: a wrong pair in "swap" raises no error.
    draw_skeleton(sets.train[0].clip, layout=layout, color_by="part").savefig(folder / "skeleton.png")

    page = load_page(args.method)
    options = parse_options(page.options, ["--config", "small", "--train.folder", str(folder / "run")])
    train = dataclasses.replace(options.train, epochs=args.epochs, min_steps=0, steps=None, resume=False)
    metrics = page.train(dataclasses.replace(options, train=train), sets=sets)
    print(f"kNN {metrics['knn']:.1f} %, linear {metrics['linear']:.1f} % on people who did not train")
    print(f"The skeleton and its picture are in {folder}, the encoder and more pictures in {folder / 'run'}")


if __name__ == "__main__":
    main()
