"""Check that clips can be in the unit that an encoder was trained on.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data.steps.vertical import torso_weights
from skelblocks.layouts import SkeletonLayout

_LOOKED_AT = 64  # clips, spread over the set
_TORSO = (
    0.2,
    1.0,
)  # meters: from a small child to an overestimated adult; adults of four Kinect sets have 0.40 to 0.43


def check_unit(clips: NDArray[np.floating], *, layout: SkeletonLayout, preprocessing: Preprocessing) -> None:
    """Raise if clips are expected in meters but their torsos have implausible lengths.

    The median over a sample of the clips decides, so single damaged clips do not matter. A skeleton without shoulders
    or hips is not checked.

    Args:
        clips: ``(n, c, t, v, m)``.
        layout: Their skeleton.
        preprocessing: The expected preprocessing. Without ``unit``, or with ``scale``, any clips are accepted.

    Raises:
        ValueError: The median torso is shorter than 0.2 or longer than 1 unit.

    Example:
        >>> from skelblocks import layouts
        >>> x = np.zeros((2, 3, 5, 20, 1))
        >>> x[:, 1, :, 2] = 450.0  # the shoulder center of NW-UCLA, in millimeters above the hips
        >>> check_unit(x, layout=layouts.get("nw-ucla"), preprocessing=Preprocessing(unit="meters"))
        Traceback (most recent call last):
        ...
        ValueError: clips: expected meters, in which a torso is 0.2 to 1 long, got torsos of 450; ...
    """
    if preprocessing.unit is None or preprocessing.scale is not None:
        return
    weights = torso_weights(layout)
    if weights is None or not len(clips):
        return
    places = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), _LOOKED_AT)).astype(int))
    with np.errstate(all="ignore"):
        x = np.asarray(clips[places], dtype=np.float64)
        lengths = np.sqrt((np.einsum("nctvm,v->nctm", x, weights) ** 2).sum(axis=1))  # (n, t, m)
    seen = (x != 0).any(axis=(1, 3))
    medians = [np.median(length[there]) for length, there in zip(lengths, seen, strict=True) if there.any()]
    torso = float(np.median(medians)) if medians else np.nan
    if np.isnan(torso) or _TORSO[0] <= torso <= _TORSO[1]:
        return
    raise ValueError(
        f"clips: expected meters, in which a torso is {_TORSO[0]:g} to {_TORSO[1]:g} long, got torsos of {torso:.3g}; "
        "divide millimeters by 1000; for pixels or an unknown unit take an encoder that was trained on scaled clips, "
        "--data.scale bones or Preprocessing(scale='bones')"
    )
