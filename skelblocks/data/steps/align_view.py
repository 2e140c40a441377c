"""View alignment: turn persons about the vertical until their shoulders face the camera.

Axes: c coordinates (3), t frames, v joints, m persons; leading axes, such as samples, are free.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks._utils.checks import check_choice
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.preprocessing import ALIGNMENTS, Align
from skelblocks.data.steps.check_array import check_array

MODES = ALIGNMENTS


@explain_arguments
def align_view(x: NDArray[Any], *, left: int, right: int, mode: Align = "frame") -> NDArray[Any]:
    r"""Rotate about the second coordinate, the vertical, until ``right`` minus ``left`` lies along the first.

    With :math:`v = x_{right} - x_{left}`, by :math:`\theta = -\operatorname{atan2}(v_3, v_1)`:

    .. math:: x_1' = x_1 \cos\theta - x_3 \sin\theta, \qquad x_3' = x_1 \sin\theta + x_3 \cos\theta

    The released preprocessing of NTU RGB+D does so after centering and resampling, with the shoulders; no paper
    mentions it. Where one action is filmed from several sides it matters more than most of what follows.

    Args:
        x: Clips ``(..., 3, t, v, m)`` of floating-point coordinates, centered on the axis to turn about.
        left: The joint that comes to lie at the lesser first coordinate, counted from 0: a shoulder or hip.
        right: Its partner.
        mode: ``"frame"``: every frame and person by its own angle; no turn of the body is left. ``"clip"``: the whole
            clip by the angle of the first person in the first frame; turns and the angle between two persons stay.
            ``"official"``: as ``"frame"``, but with the sign of the angle taken once for a clip's person, from the sum
            of :math:`v_3`, and :math:`\cos\theta = v_1 / (|v| + 10^{-4})`. A person who turns through the camera's
            plane comes out mirrored for a part of the clip, and the shoulders never lie quite along the axis.

    Returns:
        The turned clips, same shape and dtype. Joints at zero stay there.

    Raises:
        TypeError: ``x`` is not an array of floating-point numbers.
        ValueError: Wrong axes, a joint that ``x`` does not have, or an unknown mode.

    Example:
        >>> x = np.zeros((3, 1, 2, 1))
        >>> x[2, 0, :, 0] = [-1, 1]  # two shoulders in the viewing direction
        >>> align_view(x, left=0, right=1)[:, 0, 1, 0].round(6).tolist()
        [1.0, 0.0, 0.0]
    """
    check_array(x)
    if x.ndim < 4 or x.shape[-4] != 3:
        raise ValueError(
            f"x: expected axes (..., c=3, t, v, m), got shape {x.shape}; clips in a picture have no "
            "depth to turn in, leave them as they are"
        )
    for name, joint in (("left", left), ("right", right)):
        if not 0 <= joint < x.shape[-2]:
            raise ValueError(f"{name}: expected a joint in 0..{x.shape[-2] - 1}, got {joint}")
    check_choice(mode, MODES, name="mode")
    across = x[..., right, :] - x[..., left, :]
    first, third = across[..., 0, :, :], across[..., 2, :, :]  # (..., t, m)
    if mode == "official":
        angle = np.arccos(first / (np.hypot(first, third) + 1e-4))
        angle = np.where(third.sum(axis=-2, keepdims=True) >= 0, -angle, angle)
    else:
        angle = -np.arctan2(third, first)
    if mode == "clip":
        seen = (first != 0) | (third != 0)
        person = seen.any(axis=-2).argmax(axis=-1)[..., None, None]
        frame = np.take_along_axis(seen, person, axis=-1).argmax(axis=-2)[..., None]
        angle = np.take_along_axis(np.take_along_axis(angle, person, axis=-1), frame, axis=-2)
    cos, sin = np.cos(angle)[..., None, :], np.sin(angle)[..., None, :]  # (..., t, 1, m)
    x1, x2, x3 = (x[..., i, :, :, :] for i in range(3))
    turned: NDArray[Any] = np.stack((x1 * cos - x3 * sin, x2, x1 * sin + x3 * cos), axis=-4).astype(x.dtype, copy=False)
    return turned
