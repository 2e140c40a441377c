"""What :class:`~skelblocks.data.ArrayDataset` refuses of its arguments, with the reason.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks._utils.checks import check_choice
from skelblocks.data.steps.align_view import MODES
from skelblocks.layouts import SkeletonLayout

UNLABELLED = -1


def check_clips(clips: NDArray[Any]) -> None:
    """Refuse what is not a floating-point array of five axes."""
    if not isinstance(clips, np.ndarray) or not np.issubdtype(clips.dtype, np.floating):
        raise TypeError(
            f"clips: expected a floating-point numpy array, got {getattr(clips, 'dtype', type(clips).__name__)}"
        )
    if clips.ndim != 5 or 0 in clips.shape:
        hint = "; of one clip pass clips[None], with one person a clip pass clips[..., None]" if clips.ndim == 4 else ""
        raise ValueError(f"clips: expected 5 axes (n, c, t, v, m), none empty, got shape {clips.shape}{hint}")


def origin_joint(center: str | int | None, layout: SkeletonLayout) -> int | None:
    """The number of the joint that becomes the origin."""
    if center == "layout":
        return layout.center
    if isinstance(center, str):
        return layout.index(center)
    if center is not None and not 0 <= center < layout.num_joints:
        raise ValueError(
            f"center: expected a joint in 0..{layout.num_joints - 1}, a joint's name or None, got {center}"
        )
    return center


def checked_labels(labels: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """One label a clip; where the set has none, ``UNLABELLED``."""
    if labels is None:
        return np.full(n, UNLABELLED)
    values: NDArray[Any] = np.asarray(labels)
    if not np.issubdtype(values.dtype, np.integer):
        names = values.dtype.kind in "US"
        remedy = "; numpy.unique(labels, return_inverse=True)[1] numbers the classes" if names else ""
        raise TypeError(f"labels: expected integers, got {values.dtype}{remedy}")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]  # the released preprocessing saves them as a column
    if values.shape != (n,):
        raise ValueError(f"labels: expected one a clip, ({n},), got shape {values.shape}")
    if values.min() < 0:
        raise ValueError(f"labels: expected integers from 0, got {values.min()}")
    return values.astype(np.int64)


def check_align(align: str, *, channels: int, layout: SkeletonLayout) -> None:
    """Refuse an unknown mode, and clips whose shoulders are not known or cannot be turned."""
    check_choice(align, MODES, name="align")
    if channels != 3 or not {"shoulder_left", "shoulder_right"} <= set(layout.joints):
        raise ValueError(
            f"align: expected 3 coordinates and the joints 'shoulder_left', 'shoulder_right'; the clips have "
            f"{channels}, layout {layout.name!r} has {', '.join(layout.joints)}; leave them as they are, align=None"
        )


def check_one_a_clip(given: Mapping[str, Sequence[Any] | NDArray[Any] | None], n: int) -> None:
    """Refuse arrays of another length than the clips' number."""
    for name, values in given.items():
        if values is not None and np.shape(values)[:1] != (n,):
            raise ValueError(f"{name}: expected one a clip, {n}, got shape {np.shape(values)}")


def check_lengths(lengths: NDArray[Any] | None, *, frames: int) -> None:
    """Refuse clips of no frame, or of more than there are."""
    if lengths is not None and not np.issubdtype(lengths.dtype, np.integer):
        raise TypeError(f"lengths: expected integers, got {lengths.dtype}")
    if lengths is not None and (lengths.min() < 1 or lengths.max() > frames):
        where = f"{lengths.min()}..{lengths.max()}"
        raise ValueError(f"lengths: expected 1..{frames}, the frames of the clips, got {where}")


def check_finite(x: NDArray[Any], names: Sequence[str]) -> None:
    """Name the clips that have a coordinate which is no number, in the float32 that they are read in."""
    with np.errstate(over="ignore"):
        x = x.astype(np.float32, copy=False)
    wrong = ~np.isfinite(x).all(axis=(1, 2, 3, 4))
    if wrong.any():
        first, *others = (name for name, bad in zip(names, wrong, strict=True) if bad)
        raise ValueError(
            f"clips: NaN or infinite coordinates in clip {first!r}"
            + (f" and {len(others)} more" if others else "")
            + "; if they stand for joints that were not seen, numpy.nan_to_num makes them zero"
        )
