"""Everyday moves of arms, legs and trunk, in addition to the moves of the classes.

Written for the right side, as in ``synthetic_classes``: rotation vectors in radians.
"""

from __future__ import annotations

from skelblocks.data.synthetic.synthetic_classes import MOVES, Move

EVERYDAY_MOVES = (
    Move("drink", "arm", {"shoulder": (0.6, 0, 0.2), "elbow": (1.9, 0, 0)}, {"elbow": (0.3, 0, 0)}),
    Move("phone", "arm", {"elbow": (0.2, 0, 0)}, {"shoulder": (0.3, 0, 0.7), "elbow": (2.3, 0, 0.3)}),
    Move(
        *("throw", "arm", {"shoulder": (1.6, 0, -1.2), "elbow": (-1.6, 0, 0)}),
        hold={"shoulder": (-0.2, 0, 1.7), "elbow": (1.9, 0, 0)},
    ),
    Move("throw from below", "arm", {"shoulder": (2.0, 0, 0)}, {"shoulder": (-0.6, 0, 0.1), "elbow": (0.3, 0, 0)}),
    Move("carry", "arm", {"shoulder": (0.2, 0, 0)}, {"shoulder": (0.4, 0, 0), "elbow": (1.4, 0, 0)}),
    Move("lift", "arm", {"shoulder": (1.0, 0, 0.2), "elbow": (-0.6, 0, 0)}, {"elbow": (1.2, 0, 0)}),
    Move("put on", "arm", {"shoulder": (-0.9, 0, 0.9), "elbow": (0.9, 0, 0)}, {"elbow": (0.8, 0, 0)}),
    Move("take off", "arm", {"shoulder": (0.9, 0, -0.4)}, {"shoulder": (0.1, -0.6, 0.5), "elbow": (1.9, 0, 0)}),
    Move("touch the head", "arm", {"shoulder": (0.4, 0, 0.6)}, {"shoulder": (0.7, 0, 0.9), "elbow": (2.2, 0, 0.3)}),
    Move("clap", "arm", {"shoulder": (0, -0.6, 0)}, {"shoulder": (1.1, 0.4, 0), "elbow": (0.7, 0, 0)}),
    Move("swing at a ball", "arm", {"shoulder": (0.6, 2.2, 0.3)}, {"shoulder": (1.0, -1.2, 0.4), "elbow": (0.6, 0, 0)}),
    Move("cross", "arm", {"shoulder": (0, 1.1, 0), "elbow": (0.9, 0, 0)}, {"shoulder": (1.2, 0, 0)}),
    Move("draw", "arm", {"shoulder": (0, 0.9, 0)}, {"shoulder": (1.5, -0.4, 0.2)}, {"shoulder": (0.7, 0, 0)}),
    Move("knock", "arm", {"elbow": (0.6, 0, 0)}, {"shoulder": (1.2, 0, 0.2), "elbow": (1.0, 0, 0)}),
    Move(
        "push", "arm", {"shoulder": (0.9, 0, 0), "elbow": (-1.7, 0, 0)}, {"shoulder": (0.5, 0, 0), "elbow": (1.9, 0, 0)}
    ),
    Move("wave low", "arm", {"elbow": (0.9, 0.6, 0)}, {"shoulder": (0.2, 0, 0.5), "elbow": (1.1, 0, 0)}),
    Move("reach down", "arm", {"shoulder": (0.9, 0, 0), "elbow": (-0.2, 0, 0)}, {"elbow": (0.3, 0, 0)}),
    Move(
        *("walk", "leg", {"hip": (0.9, 0, 0), "knee": (-0.3, 0, 0)}),
        hold={"hip": (-0.35, 0, 0), "knee": (-0.2, 0, 0)},
        quarter={"knee": (-0.6, 0, 0)},
    ),
    Move("stamp", "leg", {"hip": (0.7, 0, 0), "knee": (-1.1, 0, 0)}),
    Move("lunge", "leg", {"hip": (1.0, 0, 0), "knee": (-1.2, 0, 0)}, travel=(0, 0, -0.4)),
    Move("step aside", "leg", {"hip": (0.2, 0, 0.4), "knee": (-0.3, 0, 0)}, travel=(0.3, 0, 0)),
    Move("sit", "whole", {"hip": (1.5, 0, 0.1), "knee": (-1.5, 0, 0), "pelvis": (-0.1, 0, 0)}, travel=(0, 0, 0.3)),
    Move(
        *("pick up", "whole", {"hip": (1.7, 0, 0.1), "knee": (-1.3, 0, 0), "pelvis": (-0.7, 0, 0)}),
        hold={"ankle": (0.1, 0, 0)},
    ),
    Move("crouch", "whole", {"hip": (0.9, 0, 0.2), "knee": (-1.5, 0, 0), "ankle": (0.5, 0, 0)}),
    Move("hop", "whole", {"knee": (0.5, 0, 0), "hip": (-0.3, 0, 0)}, {"knee": (-0.5, 0, 0)}, travel=(0, 0.2, 0)),
    Move("bend", "trunk", {"pelvis": (-0.7, 0, 0), "hip": (0.7, 0, 0), "spine": (-0.4, 0, 0)}),
    Move("turn", "trunk", {"pelvis": (0, 1.2, 0)}, {"pelvis": (0, -0.6, 0)}),
    Move("look down", "trunk", {"upper_back": (-0.4, 0, 0), "neck": (-0.5, 0, 0)}),
    Move("lean back", "trunk", {"pelvis": (0.2, 0, 0), "spine": (0.4, 0, 0)}),
)
ALL_MOVES = (*MOVES, *EVERYDAY_MOVES)
