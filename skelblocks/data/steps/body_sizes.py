"""The size of each detected person, in the unit of the coordinates.

Axes: d detections, c coordinates, v joints, e bones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.common_joints import common_names

_BONES_IN_A_TORSO = 3.0  # where a layout has no torso; a Kinect torso is about 2.5 mean bones, a COCO torso 3.5
_ENDS = (("thorax", "shoulder_left", "shoulder_right"), ("pelvis", "hip_left", "hip_right"))


def body_sizes(x: NDArray[np.float64], seen: NDArray[np.bool_], *, layout: SkeletonLayout) -> NDArray[np.float64]:
    """Estimate the torso length of every detection from all bones that it shows.

    A torso is short in a picture when the person bends towards the camera, and it is unknown when a hip is not seen.
    So each bone is compared with the median of the same bone over all detections, and the median of these ratios
    is multiplied by the median torso.

    Args:
        x: Coordinates ``(d, c, v)``.
        seen: ``(d, v)``, true where a joint is seen.
        layout: The skeleton. The torso is the distance between the centers of the shoulders and of the hips, or three
            mean bones where the layout has no such joints.

    Returns:
        ``(d,)``; the median torso for a detection without a visible bone, and 1 if no bone is visible at all.

    Example:
        >>> from skelblocks import layouts
        >>> x = np.random.default_rng(0).standard_normal((1, 2, 17))
        >>> sizes = body_sizes(np.concatenate([x, 2 * x]), np.ones((2, 17), dtype=bool), layout=layouts.get("coco-17"))
        >>> float(sizes[1] / sizes[0])
        2.0
    """
    ends = np.array(layout.edges, dtype=np.int64).reshape(-1, 2)
    both = seen[:, ends[:, 0]] & seen[:, ends[:, 1]]
    difference = x[:, :, ends[:, 0]] - x[:, :, ends[:, 1]]
    lengths = np.where(both, np.sqrt((difference * difference).sum(axis=1)), np.nan)  # (d, e)
    typical = _nanmedian(lengths.T)  # (e,)
    usable = np.isfinite(typical) & (typical > 0)
    if not usable.any():
        return np.ones(len(x))
    ratio = _nanmedian(lengths[:, usable] / typical[usable])
    torso = _torso(x, seen, layout)
    if not torso > 0:
        torso = _BONES_IN_A_TORSO * float(typical[usable].mean())
    sizes = torso * np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0)
    return np.asarray(sizes, dtype=np.float64)


def _torso(x: NDArray[np.float64], seen: NDArray[np.bool_], layout: SkeletonLayout) -> float:
    """The median distance between shoulders and hips over the detections that show both; NaN where none does."""
    try:
        names = common_names(layout)
    except ValueError:  # two joints of one meaning
        names = layout.joints
    places, known = [], []
    for middle, left, right in _ENDS:
        if left in names and right in names:
            joints = [names.index(left), names.index(right)]
        elif middle in names:
            joints = [names.index(middle)]
        else:
            return float("nan")
        places.append(x[:, :, joints].mean(axis=2))
        known.append(seen[:, joints].all(axis=1))
    both = known[0] & known[1]
    return float(np.median(np.linalg.norm(places[0] - places[1], axis=1)[both])) if both.any() else float("nan")


def _nanmedian(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each row over its numbers; NaN where there is none. Much faster than numpy's."""
    count = np.isfinite(values).sum(axis=1)
    ordered = np.sort(np.where(np.isfinite(values), values, np.inf), axis=1)
    row, last = np.arange(len(values)), np.maximum(count - 1, 0)
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    median = (ordered[row, last // 2] + ordered[row, (last + 1) // 2]) / 2
    return np.where(count > 0, median, np.nan)
