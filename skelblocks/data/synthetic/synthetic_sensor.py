"""A simulated depth camera: its position, its noise, and joints that it loses for a while.

Axes: m persons, v joints, c coordinates (3), n samples, t frames.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skelblocks._utils.hashed_draws import key, normal, uniform

MOST_OCCLUDED = 0.25
"""A joint is lost at most once a clip, for a quarter of it on average."""


def film(x: Tensor, views: Tensor, clip: Tensor) -> Tensor:
    """From the room to the sensor's axes: its direction, tilt and distance. ``(m, v, c, n, t)`` to the same."""
    dtype = x.dtype
    # Cameras at 0, -60, 60, -90, 30, -30, 90, ... degrees; each new one falls between earlier ones.
    place, weight, rest = torch.zeros_like(clip, dtype=dtype), 0.5, views + 1
    for _ in range(16):
        place, weight, rest = place + weight * (rest % 2), weight / 2, rest // 2
    yaw = (place - 0.5) * (math.pi * 4 / 3) + 0.1 * normal(clip, 20, (), dtype=dtype)
    tilt = 0.10 * normal(clip, 21, (), dtype=dtype)
    away = torch.stack(
        [
            low + (high - low) * uniform(clip, 22 + i, (), dtype=dtype)
            for i, (low, high) in enumerate(((-0.6, 0.6), (-1.2, -0.8), (2.5, 4.0)))
        ]
    )
    a, b, c = x.unbind(dim=2)
    cos, sin = yaw.cos()[:, None], yaw.sin()[:, None]
    a, c = cos * a + sin * c, cos * c - sin * a
    cos, sin = tilt.cos()[:, None], tilt.sin()[:, None]
    b, c = cos * b - sin * c, cos * c + sin * b
    return torch.stack([axis + away[i][:, None] for i, axis in enumerate((a, b, c))], dim=2)


def sense(x: Tensor, joints: Tensor, clip: Tensor, *, noise: float, occlusion: float) -> Tensor:
    """What the sensor makes of it: noise, and for a lost joint the place where it was last seen."""
    m, v, _, n, t = x.shape
    seen = []
    for person in range(m):
        keys = key(clip, 30, person)
        # A joint is lost at most once a clip, for a quarter of it on average.
        lost = uniform(keys, 0, (joints,), dtype=x.dtype) < 4 * occlusion  # (n, v)
        span = uniform(keys, 1, (joints,), dtype=x.dtype) * 0.5
        start = (uniform(keys, 2, (joints,), dtype=x.dtype) * (1 - span) * t).floor()
        frame = torch.arange(t, device=x.device, dtype=x.dtype)
        hidden = lost[..., None] & (frame >= start[..., None]) & (frame < (start + span * t)[..., None])
        source = torch.where(hidden, start[..., None], frame).long().transpose(0, 1)  # (v, n, t)
        still = x[person].gather(-1, source[:, None].expand(v, 3, n, t))
        jitter = normal(keys, 3, (joints, 3, t), dtype=x.dtype).permute(1, 2, 0, 3)  # (v, c, n, t)
        depth = torch.tensor([1.0, 1.0, 2.0], dtype=x.dtype, device=x.device).view(3, 1, 1)
        seen.append(still + noise * depth * jitter)
    return torch.stack(seen)
