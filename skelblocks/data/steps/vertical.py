"""Find out whether the second coordinate of clips grows upwards, as in a room, or downwards, as in a picture.

Axes: n samples, c coordinates, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skelblocks import layouts
from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.layouts import SkeletonLayout
from skelblocks.layouts.common_joints import common_names
from skelblocks.layouts.made_joints import make_joint

_CHUNK = 512  # clips processed at a time


def torso_height(
    x: NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    seen: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """How much greater the second coordinate is between the shoulders than between the hips, in each clip.

    Args:
        x: Clips ``(n, c, t, v, m)`` with at least two coordinates.
        layout: The skeleton: a name, a dict or a layout.
        seen: ``(n, t, v, m)``, true where the joint is seen. Frames count in which shoulders and hips are. By default
            those count in which the person is seen.

    Returns:
        ``(n,)``, in the clips' unit, the mean over the frames and persons that are seen. Below zero for persons who
        stand in a picture, where the second coordinate grows downwards. NaN for a clip without a person.

    Raises:
        ValueError: The layout has no shoulders or no hips.

    Example:
        >>> x = np.zeros((1, 2, 5, 20, 1))
        >>> x[:, 1, :, 2] = 0.5  # the shoulder center of NW-UCLA; its hip center is at zero
        >>> torso_height(x, layout="nw-ucla"), torso_height(-x, layout="nw-ucla")
        (array([0.5]), array([-0.5]))
    """
    weights = torso_weights(layout)
    if weights is None:
        name = layouts.get(layout).name
        raise ValueError(f"y: expected a layout with shoulders and hips for 'auto', got {name!r}; set y='up' or 'down'")
    heights = []
    for start in range(0, len(x), _CHUNK):
        part = np.asarray(x[start : start + _CHUNK])
        counted = ((part != 0) & ~np.isnan(part)).any(axis=(1, 3))  # (n, t, m)
        counted &= np.isfinite(part[:, :, :, weights != 0]).all(axis=(1, 3))
        if seen is not None:
            counted &= seen[start : start + _CHUNK, :, weights != 0].all(axis=2)
        height = np.einsum("ntvm,v->ntm", part[:, 1].astype(np.float64), weights)
        count = counted.sum(axis=(1, 2))
        total = np.where(counted, height, 0).sum(axis=(1, 2))
        heights.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return np.concatenate(heights)


def torso_weights(layout: str | Mapping[str, Any] | SkeletonLayout) -> NDArray[np.float64] | None:
    """Weights ``(v,)`` of the joints that sum to the way from between the hips to between the shoulders.

    None for a layout that has no shoulders or no hips.
    """
    layout = layouts.get(layout)
    try:
        names = common_names(layout)
    except ValueError:  # two joints that mean the same
        return None
    weights = np.zeros(layout.num_joints)
    for sign, name in ((1, "thorax"), (-1, "pelvis")):
        sources = make_joint(name, names)
        if sources is None:
            return None
        for each, weight in sources.items():
            weights[names.index(each)] += sign * weight
    return weights


def counts_down(heights: NDArray[np.floating]) -> bool:
    """Whether the shoulders lie below the hips in most of the clips with a person, by :func:`torso_height`."""
    measured = heights[np.isfinite(heights)]
    return int((measured < 0).sum()) * 2 > len(measured)


def with_known_y(
    preprocessing: Preprocessing,
    x: NDArray[Any],
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    seen: NDArray[np.bool_] | None = None,
) -> Preprocessing:
    """The settings with ``y="auto"`` decided by clips ``(n, c, t, v, m)``; other settings as they are.

    Example:
        >>> x = np.zeros((3, 2, 5, 20, 1))
        >>> x[:, 1, :, 2] = -0.5  # the shoulder center
        >>> with_known_y(Preprocessing(y="auto"), x, layout="nw-ucla").y
        'down'
    """
    if preprocessing.y != "auto":
        return preprocessing
    if x.shape[1] < 2:
        raise ValueError(f"y: expected clips with at least 2 coordinates, got {x.shape[1]}; set y='up'")
    return replace(preprocessing, y="down" if counts_down(torso_height(x, layout=layout, seen=seen)) else "up")
