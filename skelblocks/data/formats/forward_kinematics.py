"""Positions of the joints of a tree from rotations and shifts in the axes of each parent, in float64.

Axes: t frames, v joints, k turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_AXES = "XYZ"
_BLOCK = 1 << 22  # numbers in the rotations that are held at once


def rotation_matrices(angles: Floats, axes: str) -> Floats:
    """The product of rotations about coordinate axes, the first one leftmost: ``R = R_first ... R_last``.

    The right-hand rule holds: a quarter turn about Z takes x to y.

    Args:
        angles: ``(..., k)`` in radians.
        axes: k letters out of X, Y and Z, in the order of ``angles``. An axis may come twice, as in ``"ZXZ"``.

    Returns:
        ``(..., 3, 3)`` for column vectors; the identity where k is 0.

    Example:
        >>> turn = rotation_matrices(np.array([np.pi / 2, 0.0]), "ZX")
        >>> (turn @ [1.0, 0.0, 0.0]).round().tolist()
        [0.0, 1.0, 0.0]
    """
    product = np.broadcast_to(np.eye(3), (*angles.shape[:-1], 3, 3))
    for place, axis in enumerate(axes):
        sine, cosine = np.sin(angles[..., place]), np.cos(angles[..., place])
        i = _AXES.index(axis)
        j, k = (i + 1) % 3, (i + 2) % 3
        # Only two columns of the product change: cheaper than a product of matrices, and as exact.
        turned = product.copy()
        turned[..., j] = product[..., j] * cosine[..., None] + product[..., k] * sine[..., None]
        turned[..., k] = product[..., k] * cosine[..., None] - product[..., j] * sine[..., None]
        product = turned
    return product


def joint_positions(parents: Sequence[int], shifts: Floats, rotations: Floats) -> Floats:
    """World positions from shifts and rotations in the axes of each joint's parent.

    A joint is where its parent's rotation takes its shift, counted from its parent; its rotation turns its children.

    Args:
        parents: For each joint the place of its parent, which comes before it; -1 for the root.
        shifts: ``(t, v, 3)``; the root's counts from the world's origin.
        rotations: ``(t, v, 3, 3)``.

    Returns:
        ``(t, v, 3)`` in the unit of ``shifts``.

    Example:
        >>> shifts = np.array([[[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]]])
        >>> turns = rotation_matrices(np.full((1, 2, 1), np.pi / 2), "Z")
        >>> joint_positions([-1, 0], shifts, turns)[0, 1].round().tolist()
        [0.0, 3.0, 0.0]
    """
    positions, world = np.empty_like(shifts), np.empty_like(rotations)
    for joint, parent in enumerate(parents):
        if parent < 0:
            positions[:, joint], world[:, joint] = shifts[:, joint], rotations[:, joint]
        else:
            turned = world[:, parent] @ rearrange(shifts[:, joint], "t c -> t c 1")
            positions[:, joint] = positions[:, parent] + turned[..., 0]
            world[:, joint] = world[:, parent] @ rotations[:, joint]
    return positions


def frame_blocks(frames: int, joints: int) -> Iterator[slice]:
    """Slices of so few frames that the rotations of one fit into memory, whatever the clip's length.

    Example:
        >>> [block.stop - block.start for block in frame_blocks(20000, 31)]
        [15033, 4967]
    """
    step = max(1, _BLOCK // (9 * joints))
    for start in range(0, frames, step):
        yield slice(start, min(start + step, frames))
