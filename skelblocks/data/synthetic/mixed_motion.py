"""Mixed motion: an endless supply of clips in which arms, legs and trunk each do a random move.

Axes: n samples, c coordinates (3), t frames, v joints, k moves, b joints that bend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.checks import check_integer, check_number, check_probability
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks._utils.hashed_draws import key, normal, uniform
from skelblocks.data.synthetic.body_model import BENDING_JOINTS, body_joints
from skelblocks.data.synthetic.everyday_moves import ALL_MOVES
from skelblocks.data.synthetic.synthetic_classes import motion_classes, sided
from skelblocks.data.synthetic.synthetic_performance import RoleTables, perform, role_tables
from skelblocks.data.synthetic.synthetic_sensor import MOST_OCCLUDED, film, sense

_LIMBS = ("arm", "leg", "trunk", "whole")
_CLASSES = 60


@explain_arguments
def mixed_motion(
    numbers: Tensor,
    *,
    layout: str | Mapping[str, Any] | layouts.SkeletonLayout = "ntu-rgb+d",
    frames: int = 50,
    mixed: float = 0.2,
    variety: float = 1.0,
    noise: float = 0.01,
    occlusion: float = 0.05,
    seed: int = 0,
) -> Tensor:
    """Make the clips with these numbers. Each shows one person, with its own body and its own moves.

    Each clip is drawn on its own. Most of them show one of the sixty classes of :func:`synthetic_motion`. In the others
    the arms do one of 28 moves together, in turn or alone, or two different ones, or rest; so do the legs; in some
    clips the trunk moves too, or the whole body sits, squats, picks up or jumps. Sizes of the body, strength, tempo,
    phase and delays along the limbs are drawn as well, and small random turns of all joints make motions that no list
    has.

    There are no classes here: use :func:`synthetic_motion` where labels are wanted. This is what an encoder learns from
    that imitates another one.

    Args:
        numbers: ``(n)``, integers from 0; the clips are made on their device.
        layout: The skeleton: a name, a dict or a layout whose joints the body has.
        frames: Into which the few seconds of a performance are cut.
        mixed: The share of the clips that follow no class.
        variety: How large the random turns are; 0 leaves them out.
        noise: Standard deviation of the sensor, in meters; twice that in depth.
        occlusion: How large a part of the time a joint is lost and reported where it was last seen, 0 to 0.25.
        seed: The same seed and number give the same clip, whatever the other numbers are.

    Returns:
        ``(n, 3, frames, v, 1)`` float32, in meters and Kinect axes, not centered.

    Raises:
        TypeError: An argument of another type.
        ValueError: Negative numbers, no frame, or a layout with joints that the body does not have.

    Example:
        >>> mixed_motion(torch.arange(4), layout="coco-17").shape
        torch.Size([4, 3, 50, 17, 1])
    """
    if not isinstance(numbers, Tensor) or numbers.is_floating_point() or numbers.ndim != 1:
        raise TypeError(f"numbers: expected integers (n) as a tensor, got {numbers!r}; pass torch.arange(n)")
    if numbers.numel() and numbers.min() < 0:
        raise ValueError(f"numbers: expected integers from 0, got {int(numbers.min())}")
    check_integer(frames, name="frames")
    check_probability(mixed, name="mixed")
    check_number(variety, name="variety")
    check_number(noise, name="noise")
    if not 0 <= occlusion <= MOST_OCCLUDED:
        raise ValueError(f"occlusion: expected a part of the time in [0, {MOST_OCCLUDED}], got {occlusion}")
    joints = torch.tensor(body_joints(layouts.get(layout)), device=numbers.device)
    clip = key(seed, 7, numbers, device=numbers.device)
    role = _draw_role(clip, mixed, variety)
    body = perform(role, actor=key(clip, 1), clip=clip, performance=key(clip, 2), frames=frames)
    x = film(body.index_select(0, joints)[None], torch.zeros_like(numbers), clip)  # the body faces the sensor
    return rearrange(sense(x, joints, clip, noise=noise, occlusion=occlusion), "m v c n t -> n c t v m").contiguous()


@explain_arguments
def motion_batches(
    *,
    batch_size: int = 32,
    layout: str | Mapping[str, Any] | layouts.SkeletonLayout = "ntu-rgb+d",
    frames: int = 50,
    mixed: float = 0.2,
    variety: float = 1.0,
    noise: float = 0.01,
    occlusion: float = 0.05,
    seed: int = 0,
    start: int = 0,
    device: torch.device | str | None = None,
) -> Iterator[Tensor]:
    """Make batches of :func:`mixed_motion` without end; no clip comes twice.

    Args:
        batch_size: Clips of a batch.
        layout: As for :func:`mixed_motion`.
        frames: As for :func:`mixed_motion`.
        mixed: As for :func:`mixed_motion`.
        variety: As for :func:`mixed_motion`.
        noise: As for :func:`mixed_motion`.
        occlusion: As for :func:`mixed_motion`.
        seed: As for :func:`mixed_motion`.
        start: Number of the first batch, to go on where a run has stopped.
        device: Where the clips are made and stay.

    Yields:
        ``(batch_size, 3, frames, v, 1)``.

    Example:
        >>> batches = motion_batches(batch_size=2, layout="sbu")
        >>> next(batches).shape, bool((next(batches) != next(batches)).any())
        (torch.Size([2, 3, 50, 15, 1]), True)
    """
    check_integer(batch_size, name="batch_size")
    check_integer(start, name="start", least=0)
    first = start * batch_size
    while True:
        numbers = torch.arange(first, first + batch_size, device=device)
        yield mixed_motion(
            numbers,
            layout=layout,
            frames=frames,
            mixed=mixed,
            variety=variety,
            noise=noise,
            occlusion=occlusion,
            seed=seed,
        )
        first += batch_size


def _draw_role(clip: Tensor, mixed: float, variety: float) -> RoleTables:
    """What the one person of each clip does: rows as ``perform`` takes them."""
    device, n, bends = clip.device, len(clip), len(BENDING_JOINTS)

    def draw(stream: int, *places: int) -> Tensor:
        return uniform(clip, stream, places, dtype=torch.float32)

    hold, swing, quarter, travel = (torch.zeros(n, bends, 3, device=device) for _ in range(4))
    travel = travel[:, 0]
    # Both arms the same, or the left one another move, or at rest; so for the legs.
    for place, (limb, share) in enumerate({"arm": 0.8, "leg": 0.45, "trunk": 0.35, "whole": 0.25}.items()):
        table = {name: values.to(device) for name, values in _tables(limb).items()}
        count = len(table["travel"])
        acts = draw(40 + place) < share
        other = draw(44 + place) < 0.3
        rests = draw(48 + place) < 0.4
        for side in ("right", "left") if limb in ("arm", "leg") else ("both",):
            stream = 52 + place if side != "left" else 56 + place
            choice = (draw(52 + place) * count).long()
            if side == "left":
                choice = torch.where(other, (draw(stream) * count).long(), choice)
            strength = (0.5 + 0.7 * draw(64 + 2 * place + (side == "left"))) * acts
            if side == "left":
                strength = torch.where(rests & ~other, 0, strength)
            weight = strength[:, None, None] * table[side]
            hold, swing, quarter = (
                whole + weight * table[name][choice]
                for name, whole in (("hold", hold), ("swing", swing), ("quarter", quarter))
            )
            travel = travel + strength[:, None] * table["travel"][choice] * (side != "left")
    turns = normal(clip, 80, (3, bends, 3), dtype=torch.float32) * variety
    amount = draw(81)[:, None, None]
    hold = hold + 0.15 * turns[:, 0]
    swing = swing + 0.35 * amount * turns[:, 1]
    quarter = quarter + 0.2 * amount * turns[:, 2]
    alternate = torch.tensor([0.5 * joint.endswith("_left") for joint in BENDING_JOINTS], device=device)
    in_turn = (draw(82) < 0.35)[:, None]
    delay = torch.where(in_turn, alternate, 0.0) + 0.12 * draw(83, bends) * variety
    cycles = 0.35 * (10.0 ** draw(84))
    double = draw(85) < 0.2
    drawn = RoleTables(
        hold=hold,
        swing=swing,
        quarter=quarter,
        delay=delay,
        travel=torch.cat((travel, torch.zeros(n, 1, device=device)), dim=1),
        place=torch.zeros(n, 3, device=device),
        rhythm=torch.stack((cycles, double.float()), dim=1),
        present=torch.ones(n, device=device),
    )
    label, known = (draw(86) * _CLASSES).long(), draw(87) >= mixed
    return RoleTables(
        *(
            torch.where(known.view(n, *[1] * (own.ndim - 1)), table.to(device)[label], own)
            for table, own in zip(_class_tables(), drawn, strict=True)
        )
    )


@cache
def _class_tables() -> RoleTables:
    tables = role_tables(motion_classes(_CLASSES), 1, device=torch.device("cpu"), dtype=torch.float32)
    return RoleTables(*(table[0] for table in tables))


@cache
def _tables(limb: str) -> dict[str, Tensor]:
    """The moves of a limb as numbers, and which joints belong to which side."""
    moves = [move for move in ALL_MOVES if move.limb == limb]

    def table(pose_of: Any) -> Tensor:
        rows = [sided(pose_of(move), ("right", "left")) for move in moves]
        return torch.tensor([[row.get(joint, (0.0, 0.0, 0.0)) for joint in BENDING_JOINTS] for row in rows])

    sides = {side: torch.tensor([joint.endswith(f"_{side}") for joint in BENDING_JOINTS]) for side in ("right", "left")}
    return {
        "hold": table(lambda move: move.hold),
        "swing": table(lambda move: move.swing),
        "quarter": table(lambda move: move.quarter),
        "travel": torch.tensor([move.travel for move in moves]),
        "both": torch.ones(len(BENDING_JOINTS), 1),
        **{side: mask[:, None].float() for side, mask in sides.items()},
    }
