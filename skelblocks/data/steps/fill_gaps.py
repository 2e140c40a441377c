"""Fill frames in which a person of the clip is not seen, and unseen joints.

Axes: c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_choice
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.data.steps.check_array import check_array
from skelblocks.data.steps.fill_joints import MAX_GAP, fill_joints
from skelblocks.layouts import SkeletonLayout

How = Literal["keep", "interpolate", "hold", "repeat"]
HOW = get_args(How)


@explain_arguments
def fill_gaps(
    x: NDArray[Any],
    seen: NDArray[np.bool_],
    *,
    how: How = "keep",
    layout: str | Mapping[str, Any] | SkeletonLayout | None = None,
    max_gap: int = MAX_GAP,
) -> NDArray[Any]:
    """Fill the frames in which a person is not seen, or leave them zero. No frame is ever removed.

    Where ``seen`` tells of joints, those that are not seen get a place first, in every frame in which their person is
    seen, see :func:`~skelblocks.data.fill_joints`.

    Args:
        x: A clip ``(c, t, v, m)`` of floating-point coordinates.
        seen: ``(t, m)``, true where the person is seen, or ``(t, v, m)``, true where the joint is.
        how: ``"keep"``: zeros. ``"interpolate"``: between a person's first and last sight, each joint moves straight
            from where it was seen last to where it is seen next; zeros before and after. ``"hold"``: as that, but the
            person stays in the pose seen last until seen again. ``"repeat"``: as the released preprocessing of
            2s-AGCN: after their last sight, a person's frames up to there follow once more from the first on, as often
            as it takes. A person who is not seen in the first frame has the frames with a sight moved to the start
            beforehand, out of time with the others and without gaps; for all other persons gaps stay zero.
        layout: The skeleton, which is needed where ``seen`` tells of joints.
        max_gap: The longest gap of a joint, in frames, that is filled over time.

    Returns:
        The filled clip, same shape and dtype. A person who is never seen stays zero.

    Raises:
        TypeError: ``x`` is not an array of floating-point numbers, or ``seen`` not one of booleans.
        ValueError: Wrong axes, an unknown choice, or joints that are not seen without a layout.

    Example:
        >>> x = np.array([0.0, 1.0, 0.0, 0.0, 4.0, 0.0]).reshape(1, 6, 1, 1)
        >>> [fill_gaps(x, x[0, :, 0] != 0, how=how).ravel().astype(int).tolist() for how in HOW]
        [[0, 1, 0, 0, 4, 0], [0, 1, 2, 3, 4, 0], [0, 1, 1, 1, 4, 0], [1, 4, 1, 4, 1, 4]]
    """
    check_array(x)
    if x.ndim != 4:
        raise ValueError(f"x: expected 4 axes (c, t, v, m), got shape {x.shape}")
    if not isinstance(seen, np.ndarray) or seen.dtype != np.bool_:
        raise TypeError(f"seen: expected a boolean numpy array, got {getattr(seen, 'dtype', type(seen).__name__)}")
    check_choice(how, HOW, name="how")
    if seen.ndim == 3:
        if layout is None:
            raise ValueError(
                "layout: expected the skeleton, by which joints that are not seen are placed, got None; pass layout="
            )
        x, seen = fill_joints(x, seen, layout=layout, max_gap=max_gap), np.asarray(seen.any(axis=1))
    if seen.shape != x.shape[1::2]:
        raise ValueError(
            f"seen: expected (t, m) = {x.shape[1::2]} or (t, v, m) = {x.shape[1:]} as in x, got shape {seen.shape}"
        )
    t = len(seen)
    filled = np.zeros_like(x)
    for person in np.flatnonzero(seen.any(axis=0)).tolist():
        sight = np.flatnonzero(seen[:, person])
        if how == "keep":
            frames, before = sight, sight
        elif how == "repeat":
            # Frames without a sight are read too: they are gaps, which stay.
            once = np.arange(sight[-1] + 1) if sight[0] == 0 else sight
            frames = np.arange(t)
            before = once[frames % len(once)]
        else:
            frames = np.arange(sight[0], sight[-1] + 1)
            place = np.searchsorted(sight, frames, side="right") - 1
            before = sight[place]
        clip = x[..., person]
        pose = np.where(seen[before, person, None], clip[:, before], 0)
        if how == "interpolate":
            after = sight[np.minimum(place + 1, len(sight) - 1)]
            weight = ((frames - before) / np.maximum(after - before, 1)).astype(x.dtype)[:, None]
            # In this form a pose that is held, and one that is seen, comes out exactly.
            pose = pose + weight * (clip[:, after] - pose)
        filled[..., person][:, frames] = pose
    return filled
