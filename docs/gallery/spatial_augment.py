"""The pictures of the pages on shear, rotation, flip, layout views and channel mask: a clip before and after."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import viz
from skelblocks.augment import (
    RandomShear,
    channel_mask,
    layout_round_trip,
    layout_views,
    rotation,
    scale,
    shear,
    spatial_flip,
)

clip = clips()[:1]  # (1, C, T, V, M): one arm is raised


def shear_strips() -> Figure:
    sideways, forward = torch.eye(3)[None].repeat(2, 1, 1, 1)
    sideways[0, 0, 1], forward[0, 2, 1] = 0.5, 0.5  # x' = x + y / 2, and z' = z + y / 2
    mild, strong = RandomShear(0.5), RandomShear(1.0)
    draws = mild.sample(clip.shape, generator=torch.Generator().manual_seed(0))
    strips = {
        "original": clip[0],
        "x' = x + 0.5 y": shear(clip, sideways)[0],
        "z' = z + 0.5 y": shear(clip, forward)[0],
        "RandomShear(0.5)": mild.transform(clip, draws)[0],
        "RandomShear(1.0)": strong.transform(clip, draws)[0],  # the same draws
    }
    return viz.clip_strip(strips, layout=LAYOUT, frames=[8, 16, 21], axes=(0, 2, 1))


def scale_strips() -> Figure:
    factors = {
        "original": [[1.0, 1.0, 1.0]],
        "0.8": [[0.8]],
        "1.2": [[1.2]],
        "x 1.2, y 0.8": [[1.2, 0.8, 1.0]],
    }
    strips = {name: scale(clip, torch.tensor(each))[0] for name, each in factors.items()}
    return viz.clip_strip(strips, layout=LAYOUT, frames=[8, 16, 21])


def rotation_strips() -> Figure:
    strips = {"original": clip[0]}
    for axis, name in enumerate("xyz"):
        angles = torch.zeros(1, 3)
        angles[0, axis] = torch.pi / 6
        strips[f"30 degrees about {name}"] = rotation(clip, angles)[0]
    return viz.clip_strip(strips, layout=LAYOUT, frames=[8, 16, 21], axes=(0, 2, 1))


def spatial_flip_strips() -> Figure:
    strips = {
        "original": clip[0],
        "exchanged (default)": spatial_flip(clip, layout=LAYOUT)[0],
        "mirrored (mirror_axis=0)": spatial_flip(clip, layout=LAYOUT, mirror_axis=0)[0],
    }
    return viz.clip_strip(strips, layout=LAYOUT, frames=5)


def layout_views_strips() -> Figure:
    strips = {"original: ntu-rgb+d": clip[0]}
    for through in ("coco-17", "h36m-17"):
        strips[f"through {through}"] = layout_views(clip, layout_round_trip(LAYOUT, through)[None])[0]
    return viz.clip_strip(strips, layout=LAYOUT, frames=[8, 16, 21])


def channel_mask_strips() -> Figure:
    strips = {"original": clip[0]}
    for channel, name in enumerate("xyz"):
        strips[f"{name} hidden"] = channel_mask(clip, torch.arange(3)[None] == channel)[0]
    return viz.clip_strip(strips, layout=LAYOUT, frames=[8, 16, 21], axes=(0, 2, 1))


if __name__ == "__main__":
    write(shear_strips, scale_strips, rotation_strips, spatial_flip_strips, layout_views_strips, channel_mask_strips)
