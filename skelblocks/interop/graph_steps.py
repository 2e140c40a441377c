"""The steps of a preparation in operations that every runtime supports: products, sums, and choices by masks.

Each step equals its counterpart in ``skelblocks.data.steps``, which uses numpy and checks its input.
Axes: n clips, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelblocks.clips.preprocessing import Align, Origin, Per

_FAR = 1e9  # beyond the place of any frame


def last_frames(x: Tensor) -> Tensor:
    """Index of the last frame in which a person is seen, or 0: ``(n, 1, 1, 1, 1)``."""
    seen = (x.abs().amax(dim=(1, 3, 4), keepdim=True) > 0).to(x.dtype)
    return (seen * _places(x)).amax(dim=2, keepdim=True)


def scale_clips(x: Tensor, bones: Tensor, *, mean: bool) -> Tensor:
    """Divide each clip by the length of the body in it; a body without a length stays.

    Args:
        x: Clips.
        bones: ``(b, v)``, which gives the bones of joints.
        mean: Whether the length is the mean bone, or the sum of all.
    """
    lengths = (bones @ x).square().sum(dim=1, keepdim=True).sqrt().sum(dim=(1, 2, 3, 4), keepdim=True)
    count = _present(x).sum(dim=(1, 2, 3, 4), keepdim=True) * (len(bones) if mean else 1)
    length = lengths / count.clamp(min=1)
    return x / torch.where(length > 0, length, torch.ones_like(length))


def center_clips(x: Tensor, *, joint: int, per: Per, origin: Origin) -> Tensor:
    """Subtract the position of a joint, as :func:`~skelblocks.data.center` does."""
    present = _present(x)  # (n, 1, t, 1, m)
    position = x[:, :, :, joint : joint + 1]  # (n, c, t, 1, m)
    places = _places(x)
    if origin == "first":
        position = _of_first_person(position, present)
        present_first = _of_first_person(present, present)
        position = _held(position, present_first, places)
        first = present_first
    else:
        first = present
    if per == "clip":
        earliest = torch.where(first > 0, places, torch.full_like(places, _FAR)).amin(dim=2, keepdim=True)
        position = (position * (places == earliest).to(x.dtype)).sum(dim=2, keepdim=True)
    return torch.where(present > 0, x - position, torch.zeros_like(x))


def resample_clips(x: Tensor, frames: int, *, last: Tensor) -> Tensor:
    """Stretch or shrink clips to ``frames``, by a matrix ``(frames, t)`` for each clip.

    Args:
        x: Clips.
        frames: Number of frames to make.
        last: Index of each clip's last frame, from :func:`last_frames`.
    """
    n, c, t, v, m = x.shape
    wanted = torch.arange(frames, dtype=x.dtype, device=x.device).view(1, 1, frames, 1) + 0.5
    last = last.view(n, 1, 1, 1)
    position = torch.minimum((wanted * ((last + 1) / frames) - 0.5).clamp(min=0), last)  # (n, 1, frames, 1)
    there = torch.arange(t, dtype=x.dtype, device=x.device).view(1, 1, 1, t)
    weights = (1 - (position - there).abs()).clamp(min=0)  # (n, 1, frames, t)
    return (weights @ x.reshape(n, c, t, v * m)).view(n, c, frames, v, m)


def turn_clips(x: Tensor, *, left: int, right: int, mode: Align) -> Tensor:
    """Turn persons about the vertical, as :func:`~skelblocks.data.align_view` does, without any angle."""
    across = x[:, :, :, right : right + 1] - x[:, :, :, left : left + 1]
    first, third = across[:, 0:1], across[:, 2:3]  # (n, 1, t, 1, m)
    if mode == "clip":
        first, third = _at_first_sight(first, third)
    if mode == "official":
        length = (first.square() + third.square()).sqrt()
        added = 1e-4  # the released code's, which keeps the shoulders from lying quite along the axis
        cosine = first / (length + added)
        size = (third.square() + 2 * added * length + added**2).sqrt() / (length + added)
        sine = torch.where(third.sum(dim=2, keepdim=True) >= 0, -size, size)
    else:
        length = (first.square() + third.square()).sqrt()
        known = length > 0
        length = torch.where(known, length, torch.ones_like(length))
        cosine = torch.where(known, first / length, torch.ones_like(length))
        sine = -third / length
    x1, x2, x3 = x[:, 0:1], x[:, 1:2], x[:, 2:3]
    return torch.cat([x1 * cosine - x3 * sine, x2, x1 * sine + x3 * cosine], dim=1)


def motion_clips(x: Tensor) -> Tensor:
    """Displacements to the next frame, as :func:`~skelblocks.streams.motion` gives them."""
    present = _present(x)
    there = present[:, :, 1:] * present[:, :, :-1] > 0
    steps = torch.where(there, x[:, :, 1:] - x[:, :, :-1], torch.zeros_like(x[:, :, 1:]))
    return torch.cat([steps, torch.zeros_like(x[:, :, :1])], dim=2)


def acceleration_clips(x: Tensor) -> Tensor:
    """Changes of the displacement, as :func:`~skelblocks.streams.acceleration` gives them."""
    present = _present(x)
    there = present[:, :, 2:] * present[:, :, 1:-1] * present[:, :, :-2] > 0
    changes = x[:, :, 2:] - 2 * x[:, :, 1:-1] + x[:, :, :-2]
    changes = torch.where(there, changes, torch.zeros_like(changes))
    return torch.cat([changes, torch.zeros_like(x[:, :, :2])], dim=2)


def _places(x: Tensor) -> Tensor:
    """The place of each frame, ``(1, 1, t, 1, 1)``."""
    return torch.arange(x.shape[2], dtype=x.dtype, device=x.device).view(1, 1, -1, 1, 1)


def _present(x: Tensor) -> Tensor:
    """1 in the frames in which a person is seen, ``(n, 1, t, 1, m)``."""
    return (x.abs().amax(dim=(1, 3), keepdim=True) > 0).to(x.dtype)


def _first_of(mask: Tensor) -> Tensor:
    """1 at the first place along the last axis where a mask is 1."""
    places = torch.arange(mask.shape[-1], dtype=mask.dtype, device=mask.device)
    earliest = torch.where(mask > 0, places, torch.full_like(places, _FAR)).amin(dim=-1, keepdim=True)
    return (places == earliest).to(mask.dtype)


def _of_first_person(values: Tensor, present: Tensor) -> Tensor:
    """The values of the first person who is seen at all, ``(..., 1)``; zero if there is none."""
    return (values * _first_of(present.amax(dim=2, keepdim=True))).sum(dim=-1, keepdim=True)


def _held(position: Tensor, present: Tensor, places: Tensor) -> Tensor:
    """Positions ``(n, c, t, 1, 1)`` with each gap filled by the last known one, the start by the first known one."""
    n, c, t = position.shape[:3]
    seen = present.view(n, 1, 1, t) > 0
    there, here = places.view(1, 1, 1, t), places.view(1, 1, t, 1)
    last = torch.where(seen & (there <= here), there, torch.full_like(there, -1.0)).amax(dim=3, keepdim=True)
    first = torch.where(seen, there, torch.full_like(there, _FAR)).amin(dim=3, keepdim=True)
    source = torch.where(last < 0, first, last)  # (n, 1, t, 1)
    return ((source == there).to(position.dtype) @ position.view(n, c, t, 1)).view(n, c, t, 1, 1)


def _at_first_sight(first: Tensor, third: Tensor) -> tuple[Tensor, Tensor]:
    """Both coordinates of the first person's shoulders in the first frame that shows them, ``(n, 1, 1, 1, 1)``."""
    seen = ((first != 0) | (third != 0)).to(first.dtype)
    person = _first_of(seen.amax(dim=2, keepdim=True))
    mine = (seen * person).sum(dim=-1, keepdim=True)  # (n, 1, t, 1, 1)
    frame = _first_of(mine.transpose(2, 4)).transpose(2, 4)
    chosen = person * frame
    return (first * chosen).sum(dim=(2, 4), keepdim=True), (third * chosen).sum(dim=(2, 4), keepdim=True)
