"""What the synthetic actors do: classes composed of a move, the limbs that make it and its rhythm.

A class says nothing of left and right: its "one" arm or leg is the actor's stronger one, left in some subjects. Turns
are rotation vectors in radians, as ``forward_kinematics`` takes them, written for the right side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import count as numbers
from types import MappingProxyType
from typing import NamedTuple

Vector = tuple[float, float, float]
Pose = Mapping[str, Vector]


class Role(NamedTuple):
    """What one actor of a class does: a joint turns by ``hold + swing * s(phase) + quarter * s(phase + 1/4)``.

    ``s`` rises from 0 to 1 and falls back, once a cycle. ``delays`` are in cycles. ``travel`` is how far the body goes,
    in meters in its own axes, when ``s`` is 1. ``place`` is where it stands, and how far it is turned to its left from
    facing the sensor: ``(x, z, angle)``.
    """

    hold: Pose
    swing: Pose
    quarter: Pose
    delays: Mapping[str, float]
    delay: float = 0.0
    travel: Vector = (0.0, 0.0, 0.0)
    place: Vector = (0.0, 0.0, 0.0)


class MotionClass(NamedTuple):
    """A class: its name, one or two roles, its cycles in a clip, and whether a cycle is two quick beats and a rest."""

    name: str
    roles: tuple[Role, ...]
    cycles: float
    double: bool


class Move(NamedTuple):
    """What a limb (arm, leg, trunk or whole body) does, with the turns of a :class:`Role`, for the right side."""

    name: str
    limb: str
    swing: Pose
    hold: Pose = MappingProxyType({})
    quarter: Pose = MappingProxyType({})
    travel: Vector = (0.0, 0.0, 0.0)


_RAISE = Move("raise forward", "arm", {"shoulder": (1.9, 0, 0)}, {"elbow": (0.2, 0, 0)})
_KICK = Move("kick", "leg", {"hip": (1.1, 0, 0), "knee": (0.5, 0, 0)}, {"knee": (-0.6, 0, 0)})
_SPREAD = Move("raise sideways", "arm", {"shoulder": (0, 0, 1.7)}, {"elbow": (0.2, 0, 0)})
_BOW = Move("bow", "trunk", {"pelvis": (-0.5, 0, 0), "hip": (0.5, 0, 0), "upper_back": (-0.7, 0, 0)})
_PUNCH = Move("punch", "arm", {"shoulder": (1.3, 0, 0), "elbow": (-1.9, 0, 0)}, {"elbow": (2.0, 0, 0)})
_REACH = Move("reach up", "arm", {"shoulder": (0.3, 0, 2.6), "elbow": (-1.2, 0, 0)}, {"elbow": (1.4, 0, 0)})
MOVES = (
    *(_RAISE, _KICK, _SPREAD, _BOW),
    Move("wave", "arm", {"elbow": (0, 0, -1.2)}, {"shoulder": (0.3, 0, 1.5), "elbow": (1.2, 0, 0.9)}),
    Move("squat", "whole", {"hip": (1.5, 0, 0.1), "knee": (-2.0, 0, 0), "ankle": (0.6, 0, 0)}),
    _PUNCH,
    Move("lift the knee", "leg", {"hip": (1.5, 0, 0), "knee": (-1.6, 0, 0)}),
    Move("circle", "arm", {"shoulder": (1.3, 0, 0)}, {"shoulder": (0.5, 0, 0.2)}, {"shoulder": (0, 0, 1.1)}),
    Move("twist", "trunk", {"spine": (0, 0.8, 0), "upper_back": (0, 0.8, 0)}, {"spine": (0, -0.8, 0)}),
    Move("curl", "arm", {"elbow": (2.2, 0, 0)}),
    Move("raise sideways", "leg", {"hip": (0, 0, 0.9)}),
    _REACH,
    Move("lean sideways", "trunk", {"spine": (0, 0, 0.7), "upper_back": (0, 0, 0.6)}, {"spine": (0, 0, -0.6)}),
    Move("sweep across", "arm", {"shoulder": (0, 1.7, 0)}, {"shoulder": (1.4, -0.9, 0)}),
    Move("swing back", "leg", {"hip": (-0.8, 0, 0), "knee": (-0.9, 0, 0)}),
    Move(
        *("jump", "whole", {"knee": (0.9, 0, 0), "hip": (-0.6, 0, 0), "shoulder": (0.8, 0, 0)}),
        hold={"knee": (-0.9, 0, 0), "hip": (0.6, 0, 0)},
        travel=(0, 0.35, 0),
    ),
    Move("nod", "trunk", {"neck": (-0.9, 0, 0)}),
)
_STEP_FORWARD = Move("", "leg", {"hip": (0.6, 0, 0), "knee": (-0.4, 0, 0)}, travel=(0, 0, -0.5))
_STEP_BACK = Move("", "leg", {"hip": (-0.4, 0, 0), "upper_back": (0.4, 0, 0)}, travel=(0, 0, 0.4))
_SHAKE = Move("", "arm", {"elbow": (0.7, 0, 0)}, {"shoulder": (0.9, 0, 0), "elbow": (0.4, 0, 0)})
_EMBRACE = Move("", "arm", {"shoulder": (1.3, 0, 0.6), "elbow": (0.6, 0, 0)}, travel=(0, 0, -0.3))
_STAND = Move("", "arm", {})

_TEMPI = {"slowly": (1.0, False), "fast": (2.5, False), "twice": (1.25, True)}  # cycles in a clip, double beat
_LIMBS = {"arm": ("one arm", "both arms", "alternating arms"), "leg": ("one leg", "alternating legs")}
_SIDED = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def motion_classes(count: int, *, persons: int = 1) -> tuple[MotionClass, ...]:
    """The first classes of a fixed list, made so that any number of them is a varied choice.

    The list goes round the moves (arms, legs, trunk, whole body); each round gives a move other limbs or another
    rhythm. With two persons every sixth class is one of two actors.

    Args:
        count: 2 to 60.
        persons: 1 or 2.

    Raises:
        ValueError: A number out of range.

    Example:
        >>> [c.name for c in motion_classes(3)]
        ['raise forward, one arm, slowly', 'kick, one leg, slowly', 'raise sideways, both arms, fast']
    """
    if not 2 <= count <= 60:
        raise ValueError(f"classes: expected 2 to 60, got {count}")
    if persons not in (1, 2):
        raise ValueError(f"persons: expected 1 or 2, got {persons}")
    alone = _alone(count)
    if persons == 1:
        return alone
    mixed: list[MotionClass] = []
    for number in range(count):
        together, place = divmod(number, 6)
        mixed.append(_TOGETHER[together] if place == 5 else alone[number - together])
    return tuple(mixed)


def _alone(count: int) -> tuple[MotionClass, ...]:
    classes: list[MotionClass] = []
    for turn in numbers():
        for number, move in enumerate(MOVES):
            variants = _variants(move.limb)
            if turn < len(variants):
                limb, tempo = variants[(number // 2 + turn) % len(variants)]
                name = ", ".join(part for part in (move.name, limb, tempo) if part)
                classes.append(MotionClass(name, (_role(move, limb),), *_TEMPI[tempo]))
            if len(classes) == count:
                return tuple(classes)
    raise AssertionError("the moves do not suffice")


def _variants(limb: str) -> list[tuple[str, str]]:
    """Every choice of limbs with every tempo, once, in an order in which both change from one to the next."""
    limbs, tempi = _LIMBS.get(limb, ("",)), tuple(_TEMPI)
    period = math.lcm(len(limbs), len(tempi))
    return [(limbs[(i + i // period) % len(limbs)], tempi[i % len(tempi)]) for i in range(len(limbs) * len(tempi))]


def _role(move: Move, limb: str, *, delay: float = 0.0, place: Vector = (0.0, 0.0, 0.0)) -> Role:
    sides = ("right",) if limb.startswith("one") else ("right", "left")
    delays = {f"{joint}_left": 0.5 for joint in _SIDED} if limb.startswith("alternating") else {}
    return Role(
        hold=sided(move.hold, sides),
        swing=sided(move.swing, sides),
        quarter=sided(move.quarter, sides),
        delays=delays,
        delay=delay,
        travel=move.travel,
        place=place,
    )


def sided(pose: Pose, sides: tuple[str, ...]) -> dict[str, Vector]:
    """The turns of the joints of these sides; the left ones are mirror images."""
    sided: dict[str, Vector] = {}
    for joint, (x, y, z) in pose.items():
        if joint not in _SIDED:
            sided[joint] = (x, y, z)
            continue
        for side in sides:
            sided[f"{joint}_{side}"] = (x, y, z) if side == "right" else (x, -y, -z)
    return sided


def _together(name: str, gap: float, first: tuple[Move, str, float], second: tuple[Move, str, float]) -> MotionClass:
    """Two actors, face to face across the gap, in meters; each with a move, its limbs and its delay."""
    tempo = name.rpartition(", ")[2]
    facing = ((-gap / 2, 0.0, -math.pi / 2), (gap / 2, 0.0, math.pi / 2))
    roles = tuple(
        _role(move, limb, delay=delay, place=place)
        for (move, limb, delay), place in zip((first, second), facing, strict=True)
    )
    return MotionClass(name, roles, *_TEMPI[tempo])


_TOGETHER = (
    _together("shake hands, fast", 0.9, (_SHAKE, "one arm", 0.0), (_SHAKE, "one arm", 0.0)),
    _together("push the other, slowly", 0.9, (_PUNCH, "both arms", 0.0), (_STEP_BACK, "one leg", 0.1)),
    _together("step together, slowly", 1.6, (_STEP_FORWARD, "one leg", 0.0), (_STEP_FORWARD, "one leg", 0.0)),
    _together("high five, twice", 0.8, (_REACH, "one arm", 0.0), (_REACH, "one arm", 0.0)),
    _together("kick the other, fast", 1.1, (_KICK, "one leg", 0.0), (_STEP_BACK, "one leg", 0.1)),
    _together("bow to each other, slowly", 1.4, (_BOW, "", 0.0), (_BOW, "", 0.0)),
    _together("hand over, slowly", 1.0, (_RAISE, "one arm", 0.0), (_RAISE, "one arm", 0.5)),
    _together("embrace, slowly", 0.9, (_EMBRACE, "both arms", 0.0), (_EMBRACE, "both arms", 0.0)),
    _together("point at the other, twice", 1.5, (_RAISE, "one arm", 0.0), (_STAND, "", 0.0)),
    _together("flap in turn, fast", 1.5, (_SPREAD, "both arms", 0.0), (_SPREAD, "both arms", 0.5)),
)
