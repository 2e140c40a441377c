"""Synthetic motion: articulated bodies that act, seen by a noisy sensor. For tests, demonstrations and experiments.

Axes: n samples, c coordinates (3), t frames, v joints, m persons.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.checks import check_axes, check_probability
from skelblocks.data.body_model import BENDING_JOINTS, JOINTS, SEGMENTS, body_joints, forward_kinematics
from skelblocks.data.hashed_draws import key, normal, uniform
from skelblocks.data.motion_classes import MotionClass, Role, Vector, motion_classes

_CHUNK = 256  # clips at a time, to bound the memory; no clip depends on it


class SyntheticClips(NamedTuple):
    """Clips ``x (n, 3, t, v, m)`` with, one each, ``labels``, ``subjects`` and ``views``, counted from 0."""

    x: Tensor
    labels: Tensor
    subjects: Tensor
    views: Tensor
    class_names: tuple[str, ...]

    def cross_subject(self) -> Tensor:
        """Which clips are for training: those of the odd subjects; the even ones test. Boolean ``(n)``."""
        return self.subjects % 2 == 1

    def cross_view(self) -> Tensor:
        """Which clips are for training: those of all views but the last. Boolean ``(n)``."""
        return self.views < self.views.max()


def synthetic_motion(
    layout: str | Mapping[str, Any] | layouts.SkeletonLayout = "ntu-rgb+d",
    *,
    classes: int = 20,
    subjects: int = 20,
    views: int = 3,
    clips: int = 1,
    frames: int = 50,
    persons: int = 1,
    noise: float = 0.01,
    occlusion: float = 0.05,
    seed: int = 0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> SyntheticClips:
    """Every class by every subject before every view.

    Args:
        layout: The skeleton: a name, a dict or a layout whose joints the body has, see ``body_joints``.
        classes: 2 to 60, the first of a fixed list.
        subjects: How many actors; each has limb lengths, a posture, a tempo and a stronger side of its own.
        views: How many cameras: straight ahead, 60 degrees to one side and to the other, then others in between.
        clips: How many performances of each class by each subject before each view. Views do not see the same ones.
        frames: Into which the few seconds of a performance are cut.
        persons: With 2, every sixth class has two actors; the others have an absent second body, all zero.
        noise: Standard deviation of the sensor, in metres; twice that in depth.
        occlusion: How large a part of the time a joint is lost and reported where it was last seen.
        seed: The same seed gives the same clips, bit for bit on one kind of device. A clip does not depend on how many
            classes, subjects, views or clips there are.
        device: Where the clips are made and stay.
        dtype: Default: float32.

    Returns:
        The clips, in metres and Kinect axes (x to the side, y up, z away from the sensor), not centred. Ordered by
        label, then subject, view and repetition.

    Raises:
        ValueError: a number out of range, or a layout with joints that the body does not have.

    Example:
        >>> clips = synthetic_motion("nw-ucla", classes=4, subjects=2, views=2)
        >>> clips.x.shape, clips.class_names[0], int(clips.cross_subject().sum())
        (torch.Size([16, 3, 50, 20, 1]), 'raise forward, one arm, slowly', 8)
    """
    for name, value in (("subjects", subjects), ("views", views), ("clips", clips)):
        if value < 1:
            raise ValueError(f"{name}: expected an integer >= 1, got {value}")
    names = tuple(motion.name for motion in motion_classes(classes, persons=persons))
    numbers = torch.cartesian_prod(*(torch.arange(size, device=device) for size in (classes, subjects, views, clips)))
    parts = [
        sample_motion(
            *chunk.unbind(dim=1),
            layout=layout,
            frames=frames,
            persons=persons,
            noise=noise,
            occlusion=occlusion,
            seed=seed,
            dtype=dtype,
        )
        for chunk in torch.split(numbers, _CHUNK)
    ]
    labels, actors, cameras, _ = numbers.unbind(dim=1)
    return SyntheticClips(torch.cat(parts), labels, actors, cameras, names)


def sample_motion(
    labels: Tensor,
    subjects: Tensor,
    views: Tensor,
    repetitions: Tensor,
    *,
    layout: str | Mapping[str, Any] | layouts.SkeletonLayout = "ntu-rgb+d",
    frames: int = 50,
    persons: int = 1,
    noise: float = 0.01,
    occlusion: float = 0.05,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The clips with these numbers: a batch of :func:`synthetic_motion`, or one that it never makes.

    Args:
        labels: ``(n)``, integers from 0 to 59; the clips are made on their device.
        subjects: ``(n)``, any integers from 0.
        views: ``(n)``, any integers from 0.
        repetitions: ``(n)``, any integers from 0. New ones are new performances, so that a training can draw on.
        layout: See :func:`synthetic_motion`, as for the other arguments.
        frames: See there.
        persons: See there.
        noise: See there.
        occlusion: See there.
        seed: See there.
        dtype: See there.

    Returns:
        ``(n, 3, frames, v, persons)``.

    Raises:
        ValueError: a number out of range, other axes, or a layout with joints that the body does not have.

    Example:
        >>> label, subject, view, repetition = torch.randint(20, (4, 8))
        >>> sample_motion(label, subject, view, repetition).shape
        torch.Size([8, 3, 50, 25, 1])
    """
    for name, value in {"labels": labels, "subjects": subjects, "views": views, "repetitions": repetitions}.items():
        check_axes(value, "n", name=name, n=labels.shape[0] if labels.ndim else 1)
        if value.is_floating_point() or (value.numel() and value.min() < 0):
            raise ValueError(f"{name}: expected integers from 0, got {value}")
    if frames < 1 or noise < 0:
        raise ValueError(f"frames, noise: expected at least 1 and 0, got {frames} and {noise}")
    check_probability(occlusion, name="occlusion")
    joints = torch.tensor(body_joints(layouts.get(layout)), device=labels.device)
    catalogue = motion_classes(60, persons=persons)
    if labels.numel() and labels.max() >= len(catalogue):
        raise ValueError(f"labels: expected 0 to {len(catalogue) - 1}, got {int(labels.max())}")
    number = torch.float64 if dtype == torch.float64 else torch.float32  # half the bits are too few to compute in
    tables = _tables(catalogue, persons, device=labels.device, dtype=number)
    clip = key(seed, 1, labels, subjects, views, repetitions)
    bodies = []
    for m in range(persons):
        role = _RoleTables(*(table[m][labels] for table in tables))
        actor = key(seed, 2, subjects, m)
        body = _perform(role, actor=actor, clip=clip, performance=key(clip, m), frames=frames)
        bodies.append(body.index_select(0, joints))  # (v, c, n, t)
    x = _film(torch.stack(bodies), views, clip)
    x = _sense(x, joints, clip, noise=noise, occlusion=occlusion)
    x = x * tables.present[:, labels][:, None, None, :, None]
    return x.permute(3, 2, 4, 1, 0).contiguous().to(dtype or torch.float32)


class _RoleTables(NamedTuple):
    """The classes' numbers, stacked: first axis persons, then classes; after indexing, samples."""

    hold: Tensor  # (m, k, b, 3)
    swing: Tensor  # (m, k, b, 3)
    quarter: Tensor  # (m, k, b, 3)
    delay: Tensor  # (m, k, b)
    travel: Tensor  # (m, k, 4), the fourth is the delay of the whole
    place: Tensor  # (m, k, 3)
    rhythm: Tensor  # (m, k, 2), cycles and whether double
    present: Tensor  # (m, k)


_ABSENT = Role({}, {}, {}, {})


def _tables(classes: Sequence[MotionClass], persons: int, *, device: torch.device, dtype: torch.dtype) -> _RoleTables:
    cast = [[*motion.roles, *[_ABSENT] * (persons - len(motion.roles))] for motion in classes]

    def table(row: Callable[[Role, MotionClass], object]) -> Tensor:
        rows = [[row(roles[m], motion) for roles, motion in zip(cast, classes, strict=True)] for m in range(persons)]
        return torch.tensor(rows, dtype=dtype, device=device)

    def pose(turns: Mapping[str, Vector]) -> list[Vector]:
        return [turns.get(joint, (0.0, 0.0, 0.0)) for joint in BENDING_JOINTS]

    return _RoleTables(
        hold=table(lambda role, _: pose(role.hold)),
        swing=table(lambda role, _: pose(role.swing)),
        quarter=table(lambda role, _: pose(role.quarter)),
        delay=table(lambda role, _: [role.delay + role.delays.get(joint, 0.0) for joint in BENDING_JOINTS]),
        travel=table(lambda role, _: (*role.travel, role.delay)),
        place=table(lambda role, _: role.place),
        rhythm=table(lambda _, motion: (motion.cycles, float(motion.double))),
        present=table(lambda role, _: float(role is not _ABSENT)),
    )


def _perform(role: _RoleTables, *, actor: Tensor, clip: Tensor, performance: Tensor, frames: int) -> Tensor:
    """One body acting in the room, ``(joints, c, n, t)``, its feet on the floor at height 0."""
    dtype = role.hold.dtype

    def between(low: float, high: float, keys: Tensor, stream: int, *places: int) -> Tensor:
        return low + (high - low) * uniform(keys, stream, places, dtype=dtype)

    bends = len(BENDING_JOINTS)
    # The subject: the same in all of its clips.
    lengths = between(0.85, 1.15, actor, 0)[:, None] * between(0.88, 1.12, actor, 1, len(SEGMENTS))  # (n, s)
    left_handed = between(0, 1, actor, 2) < 0.4
    posture = normal(actor, 3, (bends, 3), dtype=dtype) * 0.06
    pace = between(0.9, 1.1, actor, 4)
    # The performance.
    phase = between(0, 1, clip, 5)
    pace = pace * between(0.85, 1.15, clip, 6)
    time = (torch.arange(frames, device=clip.device, dtype=dtype) + 0.5) / frames
    warp, moment = between(0, 0.4, clip, 7), between(0, 1, clip, 8)
    tau = 2 * math.pi
    bent = time + warp[:, None] * torch.sin(tau * (time + moment[:, None])) / tau
    beat = phase[:, None] + role.rhythm[:, :1] * pace[:, None] * bent  # (n, t)
    double = role.rhythm[:, 1:] > 0

    def wave(shift: Tensor) -> Tensor:
        at = beat - shift
        at = at - at.floor()
        return torch.where(double, torch.sin(math.pi * at / 0.3) ** 2 * (at < 0.6), torch.sin(math.pi * at) ** 2)

    force = between(0.7, 1.15, performance, 9)
    stance = normal(performance, 10, (bends, 3), dtype=dtype) * 0.05
    sway = normal(performance, 11, (bends, 3), dtype=dtype) * 0.10
    sway_rate, sway_phase = between(0.4, 1.5, performance, 12, bends), between(0, 1, performance, 13, bends)
    relaxed = {"shoulder_right": (0.1, 0.0, 0.15), "elbow_right": (0.3, 0.0, 0.0)}
    relaxed |= {"shoulder_left": (0.1, 0.0, -0.15), "elbow_left": (0.3, 0.0, 0.0)}
    rest = torch.tensor(
        [relaxed.get(joint, (0.0, 0.0, 0.0)) for joint in BENDING_JOINTS], dtype=dtype, device=clip.device
    )
    rotations = {}
    for b, joint in enumerate(BENDING_JOINTS):
        up, quarter = wave(role.delay[:, b, None]), wave(role.delay[:, b, None] - 0.25)
        idle = torch.sin(tau * (sway_rate[:, b, None] * time + sway_phase[:, b, None]))
        still = rest[b] + posture[:, b] + stance[:, b] + role.hold[:, b]  # (n, 3)
        turn = [
            still[:, i, None]
            + sway[:, b, i, None] * idle
            + force[:, None] * (role.swing[:, b, i, None] * up + role.quarter[:, b, i, None] * quarter)
            for i in range(3)
        ]
        rotations[joint] = torch.stack(turn)
    body = forward_kinematics(rotations, scales=lengths.T[..., None])  # (joints, c, n, t)
    floor = body[[JOINTS.index(f"toes_{side}") for side in ("left", "right")], 1].amin(dim=0)
    lift = wave(role.travel[:, 3, None])
    x, y, z = body.unbind(dim=1)
    x, y, z = (axis + role.travel[:, i, None] * lift for i, axis in enumerate((x, y - floor, z)))
    x = torch.where(left_handed[:, None], -x, x)
    # The names of the joints follow the mirror image.
    swap = [JOINTS.index(_other_side(joint)) for joint in JOINTS]
    mirrored = left_handed[None, :, None]
    x, y, z = (torch.where(mirrored, axis[swap], axis) for axis in (x, y, z))
    heading = role.place[:, 2:] + 0.25 * normal(performance, 14, (1,), dtype=dtype)  # (n, 1)
    c, s = heading.cos(), heading.sin()
    return torch.stack((c * x + s * z + role.place[:, :1], y, c * z - s * x + role.place[:, 1:2]), dim=1)


def _other_side(joint: str) -> str:
    name, _, side = joint.rpartition("_")
    return f"{name}_{'left' if side == 'right' else 'right'}" if side in ("left", "right") else joint


def _film(x: Tensor, views: Tensor, clip: Tensor) -> Tensor:
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


def _sense(x: Tensor, joints: Tensor, clip: Tensor, *, noise: float, occlusion: float) -> Tensor:
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
