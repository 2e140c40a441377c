"""Warnings about clips that have the right shape but probably the wrong content.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from skelblocks.clips.preprocessing import Preprocessing
from skelblocks.data.steps.vertical import torso_weights
from skelblocks.layouts import SkeletonLayout

_LOOKED_AT = 64  # clips, spread over the set
_LARGEST_BODY = 20.0  # of a person in meters, generously
_MOST_ZERO = 0.001  # share of the joints of a person who is seen
_STEADIER = 0.5  # lengths of bones vary this much less along the right axes
_FEW, _MOST, _UPRIGHT = 4, 0.8, 0.7  # clips, share of them, and cosine of the torso with the vertical
_FLAT = frozenset({"coco-17", "openpose-18"})  # detected in pictures, with a score for each joint


def warn_if_implausible(clips: NDArray[np.floating], layout: SkeletonLayout, preprocessing: Preprocessing) -> None:
    """Warn about clips that probably have the wrong content.

    The checks find exchanged axes, pixels, scores in place of depth, joints that were not found, and persons who are
    upside down.

    Args:
        clips: ``(n, c, t, v, m)``; a sample of them is checked.
        layout: The skeleton.
        preprocessing: The preprocessing that will follow.

    Example:
        >>> x = np.random.default_rng(0).uniform(100, 900, (4, 2, 30, 17, 1))
        >>> from skelblocks import layouts
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     warn_if_implausible(x, layouts.get("coco-17"), Preprocessing())
        >>> str(caught[0].message)[:60]
        'clips: a body is about 750 units long, but in meters it woul'
    """
    places = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), _LOOKED_AT)).astype(int))
    with np.errstate(all="ignore"):
        x = np.asarray(clips[places], dtype=np.float32)
        if not np.isfinite(x).all():
            return
        unit = _unit(x, preprocessing)
        found = [_axes(x, layout), unit, _score(x, layout), _zeros(x), _upside_down(x, layout, preprocessing)]
    for message in filter(None, found):
        warnings.warn(f"clips: {message}", UserWarning, stacklevel=4)


def _axes(x: NDArray[np.float32], layout: SkeletonLayout) -> str | None:
    """Warn if (n, m, t, v, c) is read as (n, c, t, v, m): then bones keep their lengths along the other axes."""
    _, c, _, _, m = x.shape
    if c != 2 or m < 2 or not layout.edges:
        return None
    plain, exchanged = _unsteadiness(x, layout), _unsteadiness(x.swapaxes(1, 4), layout)
    empty = (x == 0).all(axis=(2, 3, 4)).any(axis=1) & (x != 0).any(axis=(1, 2, 3, 4))
    if not empty.any() and not exchanged < _STEADIER * plain:
        return None
    return (
        f"shape {x.shape[1:]} of a clip is read as (c, t, v, m), and the clips look like (m, t, v, c); bring them into "
        "order with skelblocks.data.from_axes(clips, 'N M T V C')"
    )


def _unsteadiness(x: NDArray[np.float32], layout: SkeletonLayout) -> float:
    """How much the length of a bone varies over time, in units of its mean; the median over bones."""
    ends = np.array(layout.edges)
    lengths = np.linalg.norm(x[..., ends[:, 0], :] - x[..., ends[:, 1], :], axis=1)  # (n, t, bones, m)
    mean = lengths.mean(axis=1)
    varying = lengths.std(axis=1)[mean > 0] / mean[mean > 0]
    return float(np.median(varying)) if varying.size else 0.0


def _unit(x: NDArray[np.float32], preprocessing: Preprocessing) -> str | None:
    size = _size(x)
    if preprocessing.scale is not None or size <= _LARGEST_BODY:
        return None
    return (
        f"a body is about {size:.3g} units long, but in meters it would be 2; pixels and millimeters are too large for "
        "the augmentations and for a pretrained encoder; set Preprocessing(scale='bones'), or divide the coordinates"
    )


def _size(x: NDArray[np.float32]) -> float:
    """The extent of a body: the median over frames with a visible person."""
    seen = (x != 0).any(axis=(1, 3))  # (n, t, m)
    extent = np.ptp(x[:, :2], axis=3).max(axis=1)[seen]
    return float(np.median(extent)) if extent.size else 0.0


def _score(x: NDArray[np.float32], layout: SkeletonLayout) -> str | None:
    third = x[:, 2:3]
    pictured = layout.name in _FLAT or _size(x) > _LARGEST_BODY
    if x.shape[1] != 3 or not pictured or third.min() < 0 or not 0.1 < third.max() <= 1:
        return None
    return (
        "the third channel is in 0..1 and looks like a detector's score, which would be centered and rotated as a depth"
        "; leave it out, clips[:, :2]"
    )


def _upside_down(x: NDArray[np.float32], layout: SkeletonLayout, preprocessing: Preprocessing) -> str | None:
    """Warn if most persons are upside down, with nearly vertical torsos."""
    weights = torso_weights(layout) if x.shape[1] > 1 else None
    if weights is None:
        return None
    torso = np.einsum("nctvm,v->nctm", x, weights)
    length = np.sqrt((torso**2).sum(axis=1))
    heights = torso[:, 1] * (-1 if preprocessing.y == "down" else 1) / np.maximum(length, np.finfo(np.float32).tiny)
    upright = [np.median(height[there]) for height, there in zip(heights, length > 0, strict=True) if there.any()]
    if len(upright) < _FEW or np.mean(np.array(upright) < -_UPRIGHT) < _MOST:
        return None
    other = "up" if preprocessing.y == "down" else "down"
    return (
        "in most clips the shoulders lie below the hips, as if the second coordinate grew the other way; set "
        f"Preprocessing(y={other!r}) (--data.y {other})"
    )


def _zeros(x: NDArray[np.float32]) -> str | None:
    zero = (x == 0).all(axis=1)  # (n, t, v, m)
    seen = ~zero.all(axis=2, keepdims=True)
    # A joint that is zero in all frames with a person is the origin of centered clips.
    origin = (zero | ~seen).all(axis=(0, 1, 3), keepdims=True)
    counted = seen & ~origin
    share = float((zero & counted).sum() / max(1, counted.sum()))
    if share <= _MOST_ZERO:
        return None
    return (
        f"{share:.1%} of the joints of visible persons are exactly 0 and would count as positions; if these joints "
        "were not found, fill them from the frames around them, numpy.interp(frames, seen, x[seen])"
    )
