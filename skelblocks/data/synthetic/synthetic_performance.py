"""A performance of a class of motion: the actor's proportions and habits, and the tempo, force and stance of the clip.

Axes: n samples, c coordinates (3), t frames, m persons, k classes, b joints that bend.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from skelblocks._utils.hashed_draws import normal, uniform
from skelblocks.data.synthetic.body_model import BENDING_JOINTS, JOINTS, SEGMENTS, forward_kinematics
from skelblocks.data.synthetic.synthetic_classes import MotionClass, Role, Vector


class RoleTables(NamedTuple):
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


def role_tables(
    classes: Sequence[MotionClass], persons: int, *, device: torch.device, dtype: torch.dtype
) -> RoleTables:
    """The numbers of some classes; a class with fewer roles than persons leaves the others absent."""
    cast = [[*motion.roles, *[_ABSENT] * (persons - len(motion.roles))] for motion in classes]

    def table(row: Callable[[Role, MotionClass], object]) -> Tensor:
        rows = [[row(roles[m], motion) for roles, motion in zip(cast, classes, strict=True)] for m in range(persons)]
        return torch.tensor(rows, dtype=dtype, device=device)

    def pose(turns: Mapping[str, Vector]) -> list[Vector]:
        return [turns.get(joint, (0.0, 0.0, 0.0)) for joint in BENDING_JOINTS]

    return RoleTables(
        hold=table(lambda role, _: pose(role.hold)),
        swing=table(lambda role, _: pose(role.swing)),
        quarter=table(lambda role, _: pose(role.quarter)),
        delay=table(lambda role, _: [role.delay + role.delays.get(joint, 0.0) for joint in BENDING_JOINTS]),
        travel=table(lambda role, _: (*role.travel, role.delay)),
        place=table(lambda role, _: role.place),
        rhythm=table(lambda _, motion: (motion.cycles, float(motion.double))),
        present=table(lambda role, _: float(role is not _ABSENT)),
    )


def perform(role: RoleTables, *, actor: Tensor, clip: Tensor, performance: Tensor, frames: int) -> Tensor:
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
