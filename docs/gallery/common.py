"""What the pictures share: clips of synthetic motion, and where a script writes to.

Every other file of this folder is a script: ``python docs/gallery/pool.py [FOLDER]`` writes its pictures into FOLDER
(default: ``pictures``). The build of the documentation runs them all. They need the extras ``viz`` and ``eval``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from skelblocks.data import synthetic_motion

LAYOUT = "ntu-rgb+d"


def clips() -> Tensor:
    """Clips (N, C, T, V, M) of eight kinds of motion, three of each, by one person each."""
    return synthetic_motion(LAYOUT, classes=8, subjects=3, views=1, frames=32, occlusion=0.0, seed=1).x


def write(*figures: Callable[[], Figure]) -> None:
    """Write a picture a function, each under the function's name and from the same random state."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    for make in figures:
        torch.manual_seed(0)
        make().savefig(folder / f"{make.__name__}.png", dpi=80)
