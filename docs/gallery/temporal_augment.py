"""The pictures of the pages on crop, tempo, relative tempo, temporal flip and blur: which frame is shown when."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import viz
from skelblocks.augment import gaussian_blur, relative_tempo, tempo, temporal_crop, temporal_flip

clip = clips()[:1]  # (1, C, T, V, M): one arm is raised
HAND = 7  # the left one


def temporal_crop_frames() -> Figure:
    frames = torch.arange(50.0).view(1, 1, 50, 1, 1)  # a clip that shows its own frame numbers
    series = {}
    for start in (0, 8, 16):
        seen = temporal_crop(frames, torch.tensor([start])).flatten()
        series[f"start {start}" + (": the clip itself" if start == 8 else "")] = (torch.arange(50), seen)
    return viz.curves(series, xlabel="frame of the crop", ylabel="frame of the clip")


def tempo_frames() -> Figure:
    frames = torch.arange(50.0).view(1, 1, 50, 1, 1) + 1  # not zero, which is an absent person
    series = {}
    for speed in (0.8, 1.0, 1.25):
        seen = tempo(frames, torch.tensor([speed]), torch.zeros(1)).flatten() - 1
        series[f"speed {speed:g}"] = (torch.arange(50), seen)
    return viz.curves(series, xlabel="frame of the result", ylabel="frame of the clip")


def relative_tempo_strips() -> Figure:
    own, other = relative_tempo(clip, torch.tensor([True]))
    strips = {"fast: every second frame": own[0], "slow: the first half": other[0]}
    return viz.clip_strip(strips, layout=LAYOUT, frames=[0, 3, 6, 9, 12, 15])


def temporal_flip_strips() -> Figure:
    strips = {"original": clip[0], "backwards": temporal_flip(clip)[0]}
    return viz.clip_strip(strips, layout=LAYOUT, frames=[0, 6, 12, 19, 25, 31])


def gaussian_blur_gain() -> Figure:
    widths = torch.linspace(0.1, 2.0, 96)
    still = torch.ones(96, 1, 50, 1, 1)  # a clip of ones for each width
    released = gaussian_blur(still, widths, normalize=False, padding="zeros")[:, 0, :, 0, 0]
    series = {
        "released, in the middle": (widths, released[:, 25]),
        "released, first frame": (widths, released[:, 0]),
        "default, all frames": (widths, gaussian_blur(still, widths)[:, 0, 0, 0, 0]),
    }
    return viz.curves(series, xlabel="sigma in frames", ylabel="gain of what stands still")


def gaussian_blur_hand() -> Figure:
    shaky = clip + 0.03 * torch.randn(clip.shape)
    width = torch.tensor([2.0])
    series = {
        "noisy clip": shaky,
        "default": gaussian_blur(shaky, width),
        "released": gaussian_blur(shaky, width, normalize=False, padding="zeros"),
    }
    series = {name: (torch.arange(32), x[0, 1, :, HAND, 0]) for name, x in series.items()}
    return viz.curves(series, xlabel="frame", ylabel="height of the left hand in m")


if __name__ == "__main__":
    write(
        temporal_crop_frames,
        tempo_frames,
        relative_tempo_strips,
        temporal_flip_strips,
        gaussian_blur_gain,
        gaussian_blur_hand,
    )
