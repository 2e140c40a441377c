"""How fast the key encoder follows: a momentum that rises along a half cosine."""

from __future__ import annotations

import math


def cosine_momentum(step: int, total_steps: int, *, base: float = 0.996, final: float = 1.0) -> float:
    r"""The momentum of a step, from ``base`` at step 0 to ``final`` at the last.

    .. math:: m = m_1 - (m_1 - m_0)\, (\cos(\pi\, t / T) + 1) / 2

    BYOL's schedule, which SkeAttnCLR takes over (section 3.1, there with :math:`m_1 = 1`). The released SkeAttnCLR code
    counts its epochs from 1, so that it runs one epoch ahead of this formula, reaches 1 when the last epoch begins and
    then turns back. Count from 0 here; a step beyond the total is an error.

    Args:
        step: Optimiser steps taken so far, ``0 <= step <= total_steps``.
        total_steps: Steps of the whole run.
        base: First value. 0.996 in SkeAttnCLR (table of hyper-parameters) and BYOL.
        final: Last value. 1 in both.

    Returns:
        A float for :meth:`MomentumEncoder.update`'s ``momentum``.

    Raises:
        ValueError: a step outside the run, or a momentum outside ``[0, 1]``.

    Example:
        >>> [round(cosine_momentum(step, 100), 4) for step in (0, 50, 100)]
        [0.996, 0.998, 1.0]
    """
    if total_steps < 1:
        raise ValueError(f"total_steps: expected an integer >= 1, got {total_steps}")
    if not 0 <= step <= total_steps:
        raise ValueError(f"step: expected 0 <= step <= total_steps={total_steps}, got {step}; the first step is 0")
    for name, value in (("base", base), ("final", final)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: expected a momentum in [0, 1], got {value}")
    return final - (final - base) * (math.cos(math.pi * step / total_steps) + 1) / 2
