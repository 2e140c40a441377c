"""Clips in the size of a page: coordinates in 10 bits, as differences from frame to frame, compressed.

Axes: n clips, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from skelblocks import layouts
from skelblocks._utils.checks import check_axes, check_integer
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.layouts import SkeletonLayout
from skelblocks.pages.packed import Packed, pack_array, pack_json, unpack

LEVELS = 1024  # steps along a clip's longest side


@explain_arguments
def pack_motion(
    clips: Tensor,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    seen: Tensor | None = None,
    frames: int = 64,
    name: str = "motion",
) -> dict[str, Packed]:
    """Pack clips for the moving skeletons of a page, which ``Motion`` in ``player.js`` reads.

    Every clip has its own step, a 1023rd of the longest side of the box around it, and no coordinate is moved by more
    than half a step. A longer clip keeps every second, third, ... frame.

    Args:
        clips: ``(n, c, t, v, m)``; of more than three coordinates the first three are kept. A person whose joints are
            all zero in a frame is absent from it.
        layout: The skeleton: a name, a dict or a layout.
        seen: Which joints are seen, ``(n, t, v, m)`` boolean; the others are drawn faintly. Default: all.
        frames: The most frames of a clip that are kept.
        name: Name of the data in the page. A page with motion of two skeletons gives each its own.

    Returns:
        The data by name, to be given to :func:`render_page`.

    Raises:
        TypeError: ``frames`` is not an integer.
        ValueError: Other axes, another number of joints, no clip, a coordinate that is not finite.

    Example:
        >>> clips = torch.randn(2, 3, 8, 15, 1)
        >>> data = pack_motion(clips, layout="sbu")
        >>> float((unpack_motion(data) - clips).abs().max()) < 0.005
        True
    """
    layout = layouts.get(layout)
    _check(clips, layout, seen)
    check_integer(frames, name="frames")
    every = -(-clips.shape[2] // frames)
    x = rearrange(clips[:, :3, ::every].float(), "n c t v m -> n m v c t").numpy(force=True)
    present = rearrange(clips[:, :, ::every] != 0, "n c t v m -> n m t (v c)").any(dim=-1).numpy(force=True)
    origins, steps, levels = _quantized(x, present)
    low, high = _differences(levels)
    header = {
        "layout": layout.name,
        "joints": list(layout.joints),
        "edges": [list(edge) for edge in layout.edges],
        "shape": list(x.shape),
        "every": every,
        "masked": seen is not None,
    }
    data = {
        name: pack_json(header),
        f"{name}-boxes": pack_array(np.concatenate([origins, steps[:, None]], axis=1)),
        f"{name}-low": pack_array(low),
        f"{name}-high": pack_array(high),
        f"{name}-present": pack_array(np.packbits(present, axis=-1, bitorder="little")),
    }
    if seen is not None:
        kept = rearrange(seen[:, ::every], "n t v m -> n m v t").numpy(force=True)
        data[f"{name}-seen"] = pack_array(np.packbits(kept, axis=-1, bitorder="little"))
    return data


@explain_arguments
def unpack_motion(data: Mapping[str, Packed], *, name: str = "motion") -> Tensor:
    """Read the clips that :func:`pack_motion` packed, as the page shows them.

    Args:
        data: What it gave.
        name: The name that :func:`pack_motion` was given.

    Returns:
        ``(n, c, t, v, m)`` float32, with the frames that were kept; absent persons are zero.
    """
    shape = tuple(unpack(data[name])["shape"])
    boxes = unpack(data[f"{name}-boxes"])
    zigzag = unpack(data[f"{name}-low"]).astype(np.int64) | unpack(data[f"{name}-high"]).astype(np.int64) << 8
    levels = np.where(zigzag & 1, -(zigzag + 1) // 2, zigzag // 2).cumsum(axis=-1)
    x = levels * boxes[:, 3, None, None, None, None] + boxes[:, None, None, : shape[3], None]
    present = np.unpackbits(unpack(data[f"{name}-present"]), axis=-1, count=shape[-1], bitorder="little")
    x = x * present[:, :, None, None, :]
    return rearrange(torch.from_numpy(x.astype(np.float32)), "n m v c t -> n c t v m")


def _quantized(
    x: NDArray[np.float32], present: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """The lowest corner ``(n, 3)`` of each clip's box, its step ``(n,)``, and the coordinates in steps."""
    n, c = x.shape[0], x.shape[3]
    there = present[:, :, None, None, :]
    values = x.astype(np.float64)
    low = np.where(there, values, np.inf).min(axis=(1, 2, 4))
    high = np.where(there, values, -np.inf).max(axis=(1, 2, 4))
    empty = ~present.any(axis=(1, 2))
    low[empty] = high[empty] = 0
    steps = ((high - low).max(axis=1) / (LEVELS - 1)).astype(np.float32)
    steps = np.nextafter(steps, np.float32(np.inf))  # rounded up, so that no level exceeds the last one
    origins = np.zeros((n, 3), dtype=np.float32)
    origins[:, :c] = low
    corner = origins[:, None, None, :c, None].astype(np.float64)
    levels = np.rint((values - corner) / steps.astype(np.float64)[:, None, None, None, None]).astype(np.int32)
    return origins, steps, np.where(there, levels, _held(levels, present))


def _held(levels: NDArray[np.int32], present: NDArray[np.bool_]) -> NDArray[np.int32]:
    """For each frame the levels of the last frame with the person in it, whose differences compress to nothing."""
    t = present.shape[-1]
    last = np.maximum.accumulate(np.where(present, np.arange(t), 0), axis=-1)
    held = np.take_along_axis(levels, last[:, :, None, None, :].astype(np.int64), axis=-1)
    return np.where(np.maximum.accumulate(present, axis=-1)[:, :, None, None, :], held, 0)


def _differences(levels: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Differences along time, with the sign in the lowest bit, as their low and their high bytes."""
    steps = np.diff(levels, axis=-1, prepend=0)
    zigzag = np.where(steps < 0, -2 * steps - 1, 2 * steps)
    return (zigzag & 0xFF).astype(np.uint8), (zigzag >> 8).astype(np.uint8)


def _check(clips: Tensor, layout: SkeletonLayout, seen: Tensor | None) -> None:
    check_axes(clips, "n c t v m", name="clips")
    n, c, t, v, m = clips.shape
    if v != layout.num_joints:
        raise ValueError(
            f"clips: expected the {layout.num_joints} joints of layout {layout.name!r}, got {v}; name their own layout"
        )
    if not n or not t or not m or c < 2:
        raise ValueError(
            f"clips: expected at least one clip, two coordinates, a frame and a person, got {tuple(clips.shape)}"
        )
    if not bool(torch.isfinite(clips).all()):
        raise ValueError("clips: expected finite coordinates, got NaN or infinity; fill the unseen joints first")
    if seen is not None and (seen.dtype != torch.bool or seen.shape != (n, t, v, m)):
        raise ValueError(
            f"seen: expected booleans of the shape {(n, t, v, m)}, got {seen.dtype} of {tuple(seen.shape)}"
        )
