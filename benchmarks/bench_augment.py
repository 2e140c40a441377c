"""MsMCLR's strong augmentation: one batch at a time against a loop over clips in numpy.

The loop gets the same draws. It is vectorised within a clip; released loaders loop over frames and persons too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from case import Case
from numpy.typing import NDArray
from torch import Tensor

from skelblocks.augment import Compose, recipes

Clip = NDArray[Any]
SHAPE = (64, 3, 50, 25, 2)


def crop(x: Clip, start: float) -> Clip:
    pad = x.shape[1] // 6
    padded = np.concatenate((x[:, :pad][:, ::-1], x, x[:, -pad:][:, ::-1]), axis=1)
    first = int(np.float32(start) * np.float32(2 * pad + 1))
    return padded[:, first : first + x.shape[1]]


def shear(x: Clip, offsets: Clip) -> Clip:
    a, b, c, d, e, f = offsets * np.float32(0.5)
    matrix = np.array([[1, a, b], [c, 1, d], [e, f, 1]], dtype=x.dtype)
    return np.tensordot(matrix, x, axes=1)


def rotate(x: Clip, main_axis: int, unit: Clip) -> Clip:
    for axis in range(3):
        angle = np.radians(unit[axis] * (30 if axis == main_axis else 1))
        c, s = np.cos(angle), np.sin(angle)
        first, second = ((1, 2), (2, 0), (0, 1))[axis]
        matrix = np.eye(3, dtype=x.dtype)
        matrix[first, first] = matrix[second, second] = c
        matrix[first, second], matrix[second, first] = s, -s
        x = np.tensordot(matrix, x, axes=1)
    return x


def add_noise(x: Clip, noise: Clip, gate: float) -> Clip:
    present = (x != 0).any(axis=(0, 1, 2))
    return x + np.float32(0.01) * noise * present if gate < 0.5 else x


def blur(x: Clip, unit: float, gate: float) -> Clip:
    if gate >= 0.5:
        return x
    offset = np.arange(-7, 8)
    kernel = np.exp(-(offset**2) / (2 * (0.1 + 1.9 * unit) ** 2)).astype(x.dtype)
    kernel /= kernel.sum()
    padded = np.pad(x, ((0, 0), (7, 7), (0, 0), (0, 0)), mode="edge")
    return sum(kernel[k] * padded[:, k : k + x.shape[1]] for k in range(15))  # type: ignore[return-value]


def mask_joints(x: Clip, joints: Clip, frames: Clip) -> Clip:
    x = x.copy()
    x[:, frames[:, None] & joints[None]] = 0
    return x


def mask_channel(x: Clip, channel: int, gate: float) -> Clip:
    x = x.copy()
    if gate < 0.5:
        x[channel] = 0
    return x


def noise_joints(x: Clip, joints: Clip, values: Clip) -> Clip:
    low, high = x.min(axis=2, keepdims=True), x.max(axis=2, keepdims=True)
    x = x.copy()
    x[:, :, joints] = low + values * (high - low)
    return x


OPS = (crop, shear, rotate, add_noise, blur, mask_joints, mask_channel, noise_joints)


def loop(clips: Clip, draws: list[list[Clip]]) -> Clip:
    """Clip by clip, op by op; ``draws`` holds every op's fields, samples first."""
    out = []
    for n, clip in enumerate(clips):
        x = clip
        for op, fields in zip(OPS, draws, strict=True):
            x = op(x, *(field[n] for field in fields))
        out.append(x)
    return np.stack(out)


def cases() -> Iterator[Case]:
    """The recipe of section 3.3 on a batch of two-person clips, half of which lack the second person."""
    generator = torch.Generator().manual_seed(0)
    clips = torch.randn(SHAPE, generator=generator)
    clips[::2, ..., 1] = 0
    augment: Compose = recipes.msmclr_strong("ntu-rgb+d")
    params = augment.sample(SHAPE, generator=generator)
    array, draws = clips.numpy(), [[field.numpy() for field in drawn] for drawn in params]

    def ours() -> Tensor:
        return augment.transform(clips, params)

    def plain() -> Clip:
        return loop(array, draws)

    expected = torch.from_numpy(plain())
    difference = float((ours() - expected).abs().max() / expected.abs().max())
    yield Case("augment", f"msmclr_strong of {SHAPE}, draws made beforehand", ours, plain, difference)
