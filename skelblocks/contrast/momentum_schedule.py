"""Momentum schedules: how slowly the key encoder follows at each step."""

from __future__ import annotations

import math
from typing import Literal, get_args

from skelblocks._utils.checks import check_choice, check_integer, check_probability

MomentumSchedule = Literal["constant", "cosine"]
MOMENTUM_SCHEDULES = get_args(MomentumSchedule)


def cosine_momentum(step: int, total_steps: int, *, base: float = 0.996, final: float = 1.0) -> float:
    r"""The momentum of a step on a cosine schedule, from ``base`` at step 0 to ``final`` at the last step.

    .. math:: m = m_1 - (m_1 - m_0)\, (\cos(\pi\, t / T) + 1) / 2

    This is BYOL's schedule. SkeAttnCLR uses it (section 3.1) with :math:`m_1 = 1`. Count steps from 0. SkeAttnCLR's
    released code counts its epochs from 1, so it is one epoch ahead of this formula: it reaches 1 at the start of the
    last epoch and then decreases.

    Args:
        step: Number of optimizer steps so far, ``0 <= step <= total_steps``.
        total_steps: Number of steps in the whole run.
        base: First value. 0.996 in SkeAttnCLR (table of hyper-parameters) and BYOL.
        final: Last value. 1 in both.

    Returns:
        A float for :meth:`MomentumEncoder.update`'s ``momentum``.

    Raises:
        TypeError: ``step`` or ``total_steps`` is not an integer.
        ValueError: a step outside the run, or a momentum outside ``[0, 1]``.

    Example:
        >>> [round(cosine_momentum(step, 100), 4) for step in (0, 50, 100)]
        [0.996, 0.998, 1.0]
    """
    check_integer(total_steps, name="total_steps")
    check_integer(step, name="step", least=0)
    if step > total_steps:
        raise ValueError(f"step: expected 0 <= step <= total_steps={total_steps}, got {step}; the first step is 0")
    for name, value in (("base", base), ("final", final)):
        check_probability(value, name=name)
    return final - (final - base) * (math.cos(math.pi * step / total_steps) + 1) / 2


def scheduled_momentum(
    step: int | None,
    total_steps: int | None,
    *,
    base: float = 0.999,
    schedule: MomentumSchedule = "constant",
) -> float:
    """The momentum of a step on a schedule that is chosen by name.

    Args:
        step: Number of optimizer steps so far. It may be None for ``"constant"``.
        total_steps: Number of steps in the whole run. It may be None for ``"constant"``.
        base: The momentum, or its first value. 0.999 in SkeletonCLR, AimCLR (section 4.2) and MsMCLR's code.
        schedule: ``"constant"``, or ``"cosine"``: :func:`cosine_momentum` from ``base`` to 1.

    Returns:
        A float for :meth:`MomentumEncoder.update`'s ``momentum``.

    Raises:
        TypeError: a step is not an integer.
        ValueError: an unknown schedule, a momentum outside ``[0, 1]``, or ``"cosine"`` without its steps.

    Example:
        >>> scheduled_momentum(50, 100, base=0.9), scheduled_momentum(50, 100, base=0.9, schedule="cosine")
        (0.9, 0.95)
    """
    check_choice(schedule, MOMENTUM_SCHEDULES, name="schedule")
    if schedule == "constant":
        check_probability(base, name="base")
        return base
    for name, value in (("step", step), ("total_steps", total_steps)):
        if value is None:
            raise ValueError(f"{name}: expected an integer with the schedule 'cosine', got None; pass {name}=...")
    assert step is not None
    assert total_steps is not None
    return cosine_momentum(step, total_steps, base=base)
