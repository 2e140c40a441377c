"""Centering: coordinates relative to one joint of the body.

Axes: c coordinates, t frames, v joints, m persons; leading axes, such as samples, are free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_choice
from skelblocks._utils.deprecated import renamed_arguments
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.preprocessing import ORIGINS, PER, Origin, Per
from skelblocks.data.steps.check_array import check_array


@explain_arguments
@renamed_arguments(body="origin")
def center(
    x: NDArray[Any],
    *,
    joint: int,
    per: Per = "frame",
    origin: Origin = "own",
    seen: NDArray[np.bool_] | None = None,
    stand_ins: Sequence[int] = (),
) -> NDArray[Any]:
    """Subtract the position of a joint from all joints.

    The released code of SkeletonCLR, CrosSCLR, AimCLR and MsMCLR subtracts joint 20 of NTU RGB+D in every frame and for
    every person apart. That also removes where a person walks and how far two persons are from each other;
    ``per="clip"`` keeps the first, ``origin="first"`` the second.

    Args:
        x: Clips ``(..., c, t, v, m)`` of floating-point coordinates.
        joint: Which joint, counted from 0; ``layout.center`` for the layout's own.
        per: ``"frame"``: its position in the same frame. ``"clip"``: its position in the first frame in which the body
            is there.
        origin: ``"own"``: each person's own joint. ``"first"``: for all persons, the joint of the first person in the
            clip. In frames where this person is lost, the last known position is used, or the first one before any is
            known.
        seen: ``(..., t, v, m)``, true where a joint is seen. In frames in which ``joint`` is not, the mean of
            ``stand_ins`` is taken in its place where all of them are seen, else its position in the frame nearest in
            time in which it has one, else what ``x`` holds for it.
        stand_ins: Joints around ``joint``, such as both hips for the pelvis.

    Returns:
        The centered clips, same shape and dtype. A person's frame that is all zero means that no person is seen there
        (absent person, padding) and stays zero.

    Raises:
        TypeError: ``x`` is not an array of floating-point numbers.
        ValueError: Fewer than four axes, a joint that ``x`` does not have, or an unknown option.

    Example:
        >>> x = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)  # one coordinate, two frames, three joints, one person
        >>> center(x, joint=1)[0, :, :, 0]
        array([[-1.,  0.,  1.], [-1.,  0.,  1.]])
        >>> center(x, joint=1, per="clip")[0, :, :, 0]
        array([[-1.,  0.,  1.], [ 2.,  3.,  4.]])
    """
    check_array(x)
    if x.ndim < 4:
        raise ValueError(f"x: expected at least 4 axes (..., c, t, v, m), got shape {x.shape}")
    if not 0 <= joint < x.shape[-2]:
        raise ValueError(f"joint: expected a joint in 0..{x.shape[-2] - 1}, got {joint}")
    check_choice(per, PER, name="per")
    check_choice(origin, ORIGINS, name="origin")
    present = (x != 0).any(axis=(-4, -2))  # (..., t, m)
    position = x[..., joint, :]  # (..., c, t, m)
    if seen is not None:
        position = _where_seen(x, position, seen, joint, stand_ins)
    if per == "clip" or origin == "first":
        position = _held(position, present)
        if origin == "first":
            first = present.any(axis=-2).argmax(axis=-1)  # (...)
            position = np.take_along_axis(position, first[..., None, None, None], axis=-1)
        if per == "clip":
            position = position[..., :1, :]  # held backwards: the first frame in which the body is there
    centered: NDArray[Any] = np.where(present[..., None, :, None, :], x - position[..., None, :], x.dtype.type(0))
    return centered


def _where_seen(
    x: NDArray[Any], position: NDArray[Any], seen: NDArray[np.bool_], joint: int, stand_ins: Sequence[int]
) -> NDArray[Any]:
    """Positions ``(..., c, t, m)`` of a joint, replaced in frames in which the joint is not seen."""
    expected = (*x.shape[:-4], *x.shape[-3:])
    if not isinstance(seen, np.ndarray) or seen.dtype != np.bool_ or seen.shape != expected:
        got = f"{seen.dtype} {seen.shape}" if isinstance(seen, np.ndarray) else type(seen).__name__
        raise ValueError(f"seen: expected a boolean array (..., t, v, m) = {expected} as in x, got {got}")
    known = seen[..., joint, :]  # (..., t, m)
    if len(stand_ins):
        places = list(stand_ins)
        between = seen[..., places, :].all(axis=-2) & ~known
        position = np.where(between[..., None, :, :], x[..., places, :].mean(axis=-2), position)
        known = known | between
    t = known.shape[-2]
    frame = np.arange(t)[:, None]
    before = np.maximum.accumulate(np.where(known, frame, -t), axis=-2)
    after = np.flip(np.minimum.accumulate(np.flip(np.where(known, frame, 2 * t), -2), axis=-2), -2)
    nearest = np.where(frame - before <= after - frame, before, after)
    nearest = np.where(known.any(axis=-2, keepdims=True), nearest, frame)
    taken: NDArray[Any] = np.take_along_axis(position, nearest[..., None, :, :], axis=-2)
    return taken.astype(x.dtype, copy=False)


def _held(position: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[Any]:
    """Positions ``(..., c, t, m)`` with each gap filled by the last known one, and the start by the first known."""
    frames = np.arange(present.shape[-2])[:, None]
    last = np.maximum.accumulate(np.where(present, frames, -1), axis=-2)
    source = np.where(last < 0, present.argmax(axis=-2, keepdims=True), last)
    held: NDArray[Any] = np.take_along_axis(position, source[..., None, :, :], axis=-2)
    return held
