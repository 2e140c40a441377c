"""The picture of the page on distillation: what a teacher and a student see of the same motion."""

from __future__ import annotations

import torch
from common import write
from matplotlib.figure import Figure

from skelblocks import layouts, viz
from skelblocks.augment import EstimatorNoise, RandomCamera
from skelblocks.data import Preprocessing, motion_batches, preprocess
from skelblocks.layouts import remap

SPACE, USER, TEACHER = "azure-kinect-32", "coco-17", "ntu-rgb+d"
FRAMES = [10, 20, 30, 40]


def distill_views() -> Figure:
    motion = next(motion_batches(batch_size=1, layout=SPACE, seed=5))
    taught, _ = remap(motion, source=SPACE, target=TEACHER, missing="nearest")
    seen = preprocess(taught.numpy(), layout=TEACHER, preprocessing=Preprocessing(align="official"))
    strips = {"teacher": torch.from_numpy(seen)[0]}
    own, _ = remap(motion, source=SPACE, target=USER, missing="nearest")
    noise = EstimatorNoise(USER, missing=0.15, swapped=0.0)
    placing = Preprocessing(to=TEACHER, missing="nearest", coordinates=3, scale="bones")
    for camera in (1, 2, 3):
        generator = torch.Generator().manual_seed(camera)
        picture = RandomCamera(yaw=90.0, pitch=20.0)(own, generator=generator)
        if camera == 3:
            picture = noise(picture, generator=generator)
        placed = preprocess(picture.numpy(), layout=USER, preprocessing=placing)
        name = f"student, camera {camera}" + (", estimated" if camera == 3 else "")
        strips[name] = torch.from_numpy(placed)[0] * 0.15
    return viz.clip_strip(strips, layout=layouts.get(TEACHER), frames=FRAMES)


if __name__ == "__main__":
    write(distill_views)
