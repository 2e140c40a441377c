"""The pictures of the pages on Gaussian noise, joint mask and noise joints."""

from __future__ import annotations

import torch
from common import LAYOUT, clips, write
from matplotlib.figure import Figure

from skelblocks import viz
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
    noisy = RandomNoiseJoints()(clip, generator=torch.Generator().manual_seed(0))
    moved = (noisy - clip).norm(dim=1)[0].permute(2, 0, 1)  # (M, T, V)
    return viz.clip_attention(noisy[0], moved, layout=LAYOUT, frames=6, label="displacement in m")


if __name__ == "__main__":
    write(gaussian_noise_strips, joint_mask_map, noise_joints_map)
