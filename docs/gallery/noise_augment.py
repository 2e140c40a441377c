"""The pictures of the pages on Gaussian noise, joint mask and noise joints."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skelblocks import layouts, viz
from skelblocks.augment import RandomGaussianNoise, RandomJointMask, RandomNoiseJoints

clip = clips()[:1]  # (1, C, T, V, M): one arm is raised


def gaussian_noise_strips() -> Figure:
    two = torch.cat((clip, torch.zeros_like(clip)), dim=4)  # the second person is absent
    noises = {
        "std 0.01": RandomGaussianNoise(0.01, p=1.0),
        "std 0.05": RandomGaussianNoise(0.05, p=1.0),
        "std 0.05, on_absent_persons": RandomGaussianNoise(0.05, p=1.0, on_absent_persons=True),
    }
    draws = noises["std 0.01"].sample(two.shape)  # one standard normal draw for all rows
    strips = {"original": two[0], **{name: noise.transform(two, draws)[0] for name, noise in noises.items()}}
    return viz.clip_strip(strips, layout=LAYOUT, frames=5)


def joint_mask_map() -> Figure:
    ones = torch.ones_like(clip)
    hidden = RandomJointMask()(ones, generator=torch.Generator().manual_seed(0))[0, 0] == 0  # (T, V, M)
    return viz.occlusion_map(hidden[..., 0], clip[0], layout=LAYOUT, frames=6)


def noise_joints_map() -> Figure:
    noising = RandomNoiseJoints()
    draws = noising.sample(clip.shape, generator=torch.Generator().manual_seed(0))
    noisy, lost = noising.transform(clip, draws), draws.joints[0]
    moved = (noisy - clip).norm(dim=1)[0, :, lost, 0].T  # meters, (lost joints, T)
    names = [layouts.get(LAYOUT).joints[joint].replace("_", " ") for joint in lost]
    figure = Figure(figsize=(8.8, 6.2), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(2.2, 1))
    for panel, frame in zip(above.subplots(1, 5), range(0, 32, 7), strict=True):
        before, after = clip[0, :2, frame, :, 0], noisy[0, :2, frame, :, 0]  # seen from the front
        for edge in layouts.get(LAYOUT).edges:
            panel.plot(*before[:, list(edge)], color="#9aa5b1", linewidth=2)
        for joint in lost:
            panel.plot(*torch.stack((before[:, joint], after[:, joint]), dim=1), ":", color="#d55e00", linewidth=1.2)
        panel.plot(*after[:, lost], "o", color="#d55e00", markersize=6)
        panel.set_title(f"frame {frame}", fontsize=10)
        panel.set_aspect("equal")
        panel.axis("off")
    marks = [Line2D([], [], color="#9aa5b1", linewidth=2), Line2D([], [], color="#d55e00", linestyle=":", marker="o")]
    above.legend(
        marks,
        ("the clip", "a lost joint: where it is, and where it is put"),
        loc="outside upper center",
        ncols=2,
        frameon=False,
    )
    axes = below.subplots()
    image = axes.imshow(moved, cmap="magma_r", vmin=0, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("frame")
    below.colorbar(image, ax=axes, label="moved by, m", pad=0.015)
    return figure


if __name__ == "__main__":
    write(gaussian_noise_strips, joint_mask_map, noise_joints_map)
