"""MsMCLR's strong augmentation: one batch at a time against a loop over clips in numpy.

Twice: against the field's usual way, float64 after the first matrix and noise joints frame by frame and person by
person in Python, where both sides draw their random numbers in the time; and against a loop that is vectorised within a
clip and gets ours' draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.case import Case, Setting, largest_difference
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


def usual_shear(x: Clip, offsets: Clip) -> Clip:
    a, b, c, d, e, f = (float(offset) * 0.5 for offset in offsets)
    matrix = np.array([[1, a, b], [c, 1, d], [e, f, 1]]).transpose()
    return np.dot(x.transpose([1, 2, 3, 0]), matrix).transpose(3, 0, 1, 2)


def usual_rotate(x: Clip, main_axis: int, unit: Clip) -> Clip:
    x = np.transpose(x.copy(), (1, 2, 3, 0))
    for axis in range(3):
        angle = np.radians(float(unit[axis]) * (30 if axis == main_axis else 1))
        c, s = np.cos(angle), np.sin(angle)
        first, second = ((1, 2), (2, 0), (0, 1))[axis]
        matrix = np.eye(3)
        matrix[first, first] = matrix[second, second] = c
        matrix[first, second], matrix[second, first] = s, -s
        x = np.matmul(x, matrix.T)
    return np.transpose(x, (3, 0, 1, 2))


def usual_blur(x: Clip, unit: float, gate: float) -> Clip:
    offset = np.arange(-7, 8)
    kernel = np.exp(-np.power(offset, 2.0) / (2.0 * np.power(0.1 + 1.9 * float(unit), 2.0)))
    weight = torch.from_numpy(kernel / kernel.sum()).view(1, 1, 1, -1).repeat(3, 1, 1, 1)
    if gate >= 0.5:
        return x
    rows = F.pad(torch.from_numpy(x).permute(3, 0, 2, 1), (7, 7, 0, 0), mode="replicate")
    return F.conv2d(rows, weight, groups=3).permute(1, 3, 2, 0).numpy()


def usual_noise_joints(x: Clip, joints: Clip, values: Clip) -> Clip:
    x = x.copy()
    for t in range(x.shape[1]):
        for m in range(x.shape[3]):
            person = x[:, t, :, m]
            if person.sum(-1).sum(-1) == 0:
                continue
            places = [
                np.min(person[c, :]) + values[c : c + 1, t, :, m] * (np.max(person[c, :]) - np.min(person[c, :]))
                for c in range(3)
            ]
            x[:, t, joints, m] = np.vstack(places)
    return x


VECTORISED = (crop, shear, rotate, add_noise, blur, mask_joints, mask_channel, noise_joints)
USUAL = (crop, usual_shear, usual_rotate, add_noise, usual_blur, mask_joints, mask_channel, usual_noise_joints)


def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> list[list[Any]]:
    """A clip's own draws, one list an op."""
    c, t, v, m = shape
    covered = [
        rng.permutation(size) < rng.integers(round(low * size), round(high * size) + 1)
        for size, low, high in ((v, 0.2, 0.6), (t, 0.4, 1.0))
    ]
    noisy = max(1, round(v / 5))
    return [
        [rng.random()],
        [rng.uniform(-1, 1, 6)],
        [rng.integers(3), rng.random(3)],
        [rng.standard_normal(shape, dtype=np.float32), rng.random()],
        [rng.random(), rng.random()],
        covered,
        [rng.integers(c), rng.random()],
        [rng.choice(v, noisy, replace=False), rng.random((c, t, noisy, m))],
    ]


def augment_clip(x: Clip, draws: list[list[Any]], ops: tuple[Any, ...] = USUAL) -> Clip:
    for op, fields in zip(ops, draws, strict=True):
        x = op(x, *fields)
    return x.astype(np.float32, copy=False)


def cases(setting: Setting) -> Iterator[Case]:
    """The recipe of section 3.3 on a batch of two-person clips, half of which lack the second person."""
    generator = torch.Generator(setting.device).manual_seed(0)
    shape = (2, 3, 12, 25, 2) if setting.small else SHAPE
    clips = torch.randn(shape, generator=generator, device=setting.device)
    clips[::2, ..., 1] = 0
    augment: Compose = recipes.msmclr_strong("ntu-rgb+d")
    params = augment.sample(shape, device=setting.device, generator=generator)
    array = clips.cpu().numpy()
    draws = [[[field[n].cpu().numpy() for field in drawn] for drawn in params] for n in range(shape[0])]
    rng = np.random.default_rng(0)
    transform = torch.compile(augment.transform) if setting.compiled else augment.transform

    def ours() -> Tensor:
        return transform(clips, params)

    def with_draws() -> Tensor:
        return transform(clips, augment.sample(shape, device=setting.device, generator=generator))

    def loop(ops: tuple[Any, ...] = VECTORISED) -> Tensor:
        return torch.from_numpy(np.stack([augment_clip(x, own, ops) for x, own in zip(array, draws, strict=True)]))

    def usual() -> Tensor:
        return torch.from_numpy(np.stack([augment_clip(x, draw(rng, shape[1:])) for x in array]))

    sizes = f"msmclr_strong of {shape}{', compiled' if setting.compiled else ''}"
    difference = largest_difference([ours().cpu()], [loop(USUAL)])
    yield Case("augment", f"{sizes}, draws included, against the usual loops", with_draws, usual, difference, shape[0])
    difference = largest_difference([ours().cpu()], [loop()])
    yield Case(
        "augment, vectorised",
        f"{sizes}, draws made beforehand, against clips vectorised in numpy",
        ours,
        loop,
        difference,
        clips=shape[0],
    )
