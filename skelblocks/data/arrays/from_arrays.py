"""Convert a user's own arrays: any order of axes, clips of unequal length.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks import layouts
from skelblocks._utils.checks import check_choice
from skelblocks._utils.explain_arguments import explain_arguments
from skelblocks.clips.preprocessing import NANS, Nan
from skelblocks.data.steps.resample import clip_lengths
from skelblocks.layouts import SkeletonLayout

_ORDER = "NCTVM"


class PaddedClips(NamedTuple):
    """Clips of unequal length in one array, as :class:`~skelblocks.data.ArrayDataset` takes them.

    Attributes:
        clips: ``(n, c, t, v, m)`` float32, padded with zeros at the end of time and where a person is absent.
        lengths: How many of its t frames each clip has, ``(n,)``.
    """

    clips: NDArray[np.float32]
    lengths: NDArray[np.int64]


@explain_arguments
def to_axes(x: NDArray[Any], axes: str) -> NDArray[Any]:
    """Convert clips of this library to another order of axes; the inverse of :func:`from_axes`.

    Args:
        x: Clips ``(n, c, t, v, m)``.
        axes: The new order: one letter per axis out of N C T V M, with or without spaces. N and M can be left out if
            there is one clip, or one person.

    Returns:
        The clips in that order, a copy. ``"N M T V C"`` is pyskl's order.

    Raises:
        TypeError: ``x`` is not a numpy array.
        ValueError: Wrong axes, an axis that is unknown, named twice or missing, or one left out that is not of size 1.

    Example:
        >>> x = np.zeros((8, 3, 50, 25, 2))
        >>> to_axes(x, "N M T V C").shape, to_axes(x[..., :1], "N T V C").shape
        ((8, 2, 50, 25, 3), (8, 50, 25, 3))
    """
    order = _order(axes)
    _refuse_masked(x, name="x")
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x: expected a numpy array, got {type(x).__name__}; pass numpy.asarray(x)")
    if x.ndim != 5:
        raise ValueError(f"x: expected 5 axes (n, c, t, v, m), got shape {x.shape}")
    left_out = tuple(place for place, axis in enumerate(_ORDER) if axis not in order)
    for place in left_out:
        if x.shape[place] != 1:
            raise ValueError(
                f"axes: {_ORDER[place]} can be left out of {axes!r} where its size is 1, got shape {x.shape}; name "
                "all axes"
            )
    kept = [axis for axis in _ORDER if axis in order]
    return np.array(x.squeeze(axis=left_out).transpose([kept.index(axis) for axis in order]), order="C")


@explain_arguments
def from_axes(x: NDArray[Any], axes: str) -> NDArray[Any]:
    """Convert clips from another order of axes to the order of this library.

    Args:
        x: The clips, of any dtype.
        axes: Their order: one letter per axis out of N C T V M, with or without spaces. N and M can be missing.

    Returns:
        Clips ``(n, c, t, v, m)``, a copy; n or m is 1 where ``axes`` has none.

    Raises:
        TypeError: ``x`` is not a numpy array.
        ValueError: Another number of axes, or one that is unknown, named twice or missing.

    Example:
        >>> from_axes(np.zeros((8, 2, 50, 25, 3)), "N M T V C").shape, from_axes(np.zeros((50, 25, 3)), "T V C").shape
        ((8, 3, 50, 25, 2), (1, 3, 50, 25, 1))
    """
    order = _order(axes)
    _refuse_masked(x, name="x")
    if not isinstance(x, np.ndarray):
        raise TypeError(f"x: expected a numpy array, got {type(x).__name__}; pass numpy.asarray(x)")
    if x.ndim != len(order):
        raise ValueError(f"x: expected {len(order)} axes ({', '.join(order.lower())}), got shape {x.shape}")
    return np.array(_ordered(x, order), order="C")


@explain_arguments
def from_arrays(
    clips: Iterable[ArrayLike],
    axes: str,
    *,
    layout: str | Mapping[str, Any] | SkeletonLayout,
    nan: Nan = "error",
) -> PaddedClips:
    """Put clips into one array, padded with zeros to the longest clip and to the most persons.

    Args:
        clips: A list of clips, each of its own length and number of persons: anything that numpy takes as an array of
            real numbers. Where ``axes`` has an N, every entry holds several, and one array alone will do.
        axes: The order of every entry's axes: ``"T V C"``, ``"C T V"``, ``"T M V C"``, ``"N M T V C"`` and so on.
        layout: The skeleton that V must be: a name, a dict or a layout.
        nan: ``"unseen"`` lets NaN and the hidden numbers of masked arrays through, as NaN, for
            :class:`~skelblocks.data.ArrayDataset` with ``Preprocessing(nan="unseen")``. By default they are an error.

    Returns:
        ``clips`` and ``lengths``. A clip is as long as its entry; where ``axes`` has an N, entries may be padded, and
        :func:`~skelblocks.data.clip_lengths` counts.

    Raises:
        TypeError: An entry that is not of real numbers; the message says which.
        ValueError: No clip, an order that is not one, or an entry with another number of axes, joints or channels, with
            an empty axis, or with a number that is not finite or too large for float32; the message says which.

    Example:
        >>> from skelblocks.data import ArrayDataset
        >>> mine = [np.random.default_rng(i).standard_normal((40 + i, 25, 3)) for i in range(4)]
        >>> clips, lengths = from_arrays(mine, "T V C", layout="ntu-rgb+d")
        >>> clips.shape, lengths
        ((4, 3, 43, 25, 1), array([40, 41, 42, 43]))
        >>> ArrayDataset(clips, layout="ntu-rgb+d", lengths=lengths)
        ArrayDataset(4 clips, 0 classes, layout='ntu-rgb+d', frames=50, center='spine_shoulder')
    """
    order = _order(axes)
    layout = layouts.get(layout)
    check_choice(nan, NANS, name="nan")
    if isinstance(clips, np.ma.MaskedArray) and nan == "error":
        _refuse_masked(clips, name="clips")
    if isinstance(clips, np.ndarray) and clips.ndim == len(order):
        if "N" not in order:
            raise ValueError(f"clips: expected a list, got one clip {axes!r} of shape {clips.shape}; pass [clips]")
        clips = [clips]
    entries: list[NDArray[np.float32]] = []
    for i, clip in enumerate(clips):
        entries.append(_entry(clip, order, layout, name=f"clips: entry {i}", nan=nan))
        c = entries[0].shape[1]
        if entries[i].shape[1] != c:
            raise ValueError(f"clips: entry {i}: expected C = {c} as in entry 0, got {entries[i].shape[1]}")
    if not entries:
        raise ValueError("clips: expected at least one, got none; check where they are read from")
    n, t, m = sum(len(entry) for entry in entries), *(max(entry.shape[i] for entry in entries) for i in (2, 4))
    padded = np.zeros((n, c, t, layout.num_joints, m), dtype=np.float32)
    lengths = np.empty(n, dtype=np.int64)
    start = 0
    for entry in entries:
        rows = slice(start, start + len(entry))
        padded[rows, :, : entry.shape[2], :, : entry.shape[4]] = entry
        lengths[rows] = clip_lengths(entry) if "N" in order else entry.shape[2]
        start = rows.stop
    return PaddedClips(padded, lengths)


def _order(axes: str) -> str:
    """The letters of an order of axes, in capitals."""
    if not isinstance(axes, str):
        raise TypeError(f"axes: expected a string such as 'T V C', got {type(axes).__name__}")
    order = "".join(axes.replace(",", " ").split()).upper()
    missing = [axis for axis in "CTV" if axis not in order]
    if missing or set(order) - set(_ORDER) or len(set(order)) != len(order):
        raise ValueError(
            f"axes: expected each of the letters C T V once, and N or M if there are such axes, got {axes!r}; "
            "N samples, C channels, T frames, V joints, M persons; reshape joined axes such as (T, V * C) first"
        )
    return order


def _ordered(x: NDArray[Any], order: str) -> NDArray[Any]:
    """A view ``(n, c, t, v, m)``."""
    full = "".join(axis for axis in _ORDER if axis not in order) + order
    x = x.reshape((1,) * (5 - len(order)) + x.shape)
    clips: NDArray[Any] = x.transpose([full.index(axis) for axis in _ORDER])
    return clips


def _refuse_masked(x: object, *, name: str) -> None:
    if isinstance(x, np.ma.MaskedArray) or (isinstance(x, list | tuple) and any(map(_is_masked, x))):
        raise TypeError(
            f"{name}: expected a plain array, got a masked one, whose hidden numbers would count as coordinates; fill "
            "them with numpy.ma.filled(x, numpy.nan), and set Preprocessing(nan='unseen')"
        )


def _is_masked(x: object) -> bool:
    return isinstance(x, np.ma.MaskedArray) or (isinstance(x, list | tuple) and any(map(_is_masked, x)))


def _entry(clip: ArrayLike, order: str, layout: SkeletonLayout, *, name: str, nan: Nan) -> NDArray[np.float32]:
    if nan == "unseen" and isinstance(clip, np.ma.MaskedArray):
        clip = np.ma.filled(clip.astype(np.float64), np.nan)
    _refuse_masked(clip, name=name)
    try:
        x: NDArray[Any] = np.asarray(clip)
    except ValueError as error:
        raise ValueError(f"{name}: not an array: {error}") from error
    if x.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got {x.dtype}")
    shown = f"({', '.join(order.lower())})"
    if x.ndim != len(order):
        raise ValueError(f"{name}: expected {len(order)} axes {shown}, got shape {x.shape}")
    if x.size == 0:
        raise ValueError(f"{name}: expected {shown}, none empty, got shape {x.shape}")
    joints = x.shape[order.index("V")]
    if joints != layout.num_joints:
        others = [axis for axis, size in zip(order, x.shape, strict=True) if size == layout.num_joints]
        hint = f"; axis {others[0]} has {layout.num_joints}: is the order right?" if others else ""
        raise ValueError(
            f"{name}: expected V = {layout.num_joints}, the joints of {layout.name!r}, got {joints} in {shown}, "
            f"shape {x.shape}{hint}"
        )
    with np.errstate(over="ignore"):
        single = _ordered(x, order).astype(np.float32)
    wrong = np.argwhere(~np.isfinite(single) & ~(np.isnan(single) & (nan == "unseen")))
    if len(wrong):
        n, c, t, v, m = wrong[0].tolist()
        raise ValueError(
            f"{name}: NaN, infinite or too large a number at n {n}, c {c}, t {t}, v {v}, m {m}; if NaN marks a joint "
            "that was not seen, pass nan='unseen', and Preprocessing(nan='unseen') to the data set"
        )
    return single
