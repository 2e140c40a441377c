"""Checks of the arguments of :class:`~skelblocks.data.ArrayDataset`.

Axes: n samples, c channels, t frames, v joints, m persons.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks._utils.missing import refuse_missing
from skelblocks.data.steps.check_array import check_array

UNLABELED = -1
_MANY_CLASSES = 10_000
Part = Literal["train", "test"]


def check_clips(clips: NDArray[Any], *, masked: bool = False) -> None:
    """Raise unless clips are a floating-point array with five axes, masked only if ``masked``."""
    check_array(clips.data if masked and isinstance(clips, np.ma.MaskedArray) else clips, name="clips")
    if clips.ndim != 5 or 0 in clips.shape:
        hint = (
            "; of one clip pass clips[None], with one person per clip pass clips[..., None]" if clips.ndim == 4 else ""
        )
        raise ValueError(f"clips: expected 5 axes (n, c, t, v, m), none empty, got shape {clips.shape}{hint}")


def checked_labels(labels: ArrayLike | None, names: Sequence[str], *, named: bool = False) -> NDArray[np.int64]:
    """One label per clip; ``UNLABELED`` if the set has no labels. ``named`` classes may be more than the clips."""
    if labels is None:
        return np.full(len(names), UNLABELED)
    refuse_missing(labels, name="labels", names=names)
    n = len(names)
    values: NDArray[Any] = np.asarray(labels)
    if not np.issubdtype(values.dtype, np.integer):
        remedy = ""
        if values.dtype.kind in "US":
            remedy = "; numpy.unique(labels, return_inverse=True)[1] numbers the classes"
        elif values.ndim == 2 and values.shape[1] > 1:
            remedy = "; for one column a class pass labels.argmax(axis=1)"
        elif values.dtype.kind == "f" and (values == np.round(values)).all():
            remedy = "; pass labels.astype(int)"
        raise TypeError(f"labels: expected integers, got {values.dtype}{remedy}")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]  # the released preprocessing saves them as a column
    if values.shape != (n,):
        raise ValueError(
            f"labels: expected one label per clip, shape ({n},), got shape {values.shape}; list the labels in the "
            "order of the clips"
        )
    if values.min() < 0:
        raise ValueError(
            f"labels: expected integers from 0, got {values.min()}; numpy.unique(labels, return_inverse=True)[1] "
            "numbers the classes"
        )
    if not named and values.max() >= max(_MANY_CLASSES, n):
        raise ValueError(
            f"labels: expected the numbers of classes, from 0, got {values.max()} for {n} clips, and classifiers need "
            "memory for each class; numpy.unique(labels, return_inverse=True)[1] numbers the classes"
        )
    _warn_of_numbers_from_one(values)
    return values.astype(np.int64)


def _warn_of_numbers_from_one(labels: NDArray[Any]) -> None:
    """Numbers from 1 to the number of classes leave class 0 empty, and give each class the name of the next one."""
    classes = np.unique(labels)
    if len(classes) > 1 and classes[0] == 1 and classes[-1] == len(classes):
        warnings.warn(
            f"labels: expected integers from 0, got 1..{classes[-1]}, which leaves class 0 empty; subtract 1 if the "
            "classes are numbered from 1",
            UserWarning,
            stacklevel=5,
        )


def check_one_per_clip(arrays: Mapping[str, Any], n: int) -> None:
    """Raise unless every array has one entry per clip."""
    for name, values in arrays.items():
        if values is not None and np.shape(values)[:1] != (n,):
            raise ValueError(
                f"{name}: expected one entry for each of the {n} clips, got shape {np.shape(values)}; list them in "
                "the order of the clips"
            )


def check_seen(seen: NDArray[Any] | None, clips: NDArray[Any]) -> None:
    """Raise unless ``seen`` is a mask of the joints of clips ``(n, c, t, v, m)``."""
    if seen is None:
        return
    if not isinstance(seen, np.ndarray) or seen.dtype != np.bool_:
        raise TypeError(
            f"seen: expected a boolean numpy array, got {getattr(seen, 'dtype', type(seen).__name__)}; pass seen > 0"
        )
    n, _, t, v, m = clips.shape
    if seen.shape != (n, t, v, m):
        raise ValueError(
            f"seen: expected (n, t, v, m) = {(n, t, v, m)} as in the clips, got shape {seen.shape}; bring its axes "
            "into this order"
        )


def check_lengths(lengths: NDArray[Any] | None, *, frames: int) -> None:
    """Raise unless every length is between 1 and the number of frames."""
    if lengths is not None and not np.issubdtype(lengths.dtype, np.integer):
        raise TypeError(f"lengths: expected integers, got {lengths.dtype}; pass lengths.astype(int)")
    if lengths is not None and (lengths.min() < 1 or lengths.max() > frames):
        where = f"{lengths.min()}..{lengths.max()}"
        raise ValueError(f"lengths: expected 1..{frames}, the frames of the clips, got {where}; count frames from 1")


def mask_or_places(selection: ArrayLike, n: int) -> NDArray[np.int64]:
    """Indices of selected clips among ``n``, from a boolean mask or from indices."""
    refuse_missing(selection, name="selection")
    chosen = np.asarray(selection)
    if chosen.dtype == bool:
        if chosen.shape != (n,):
            raise ValueError(
                f"selection: expected a mask of shape ({n},), got {chosen.shape}; compare an array of all clips, such "
                "as dataset.subjects == 1"
            )
        chosen = np.flatnonzero(chosen)
    if chosen.ndim != 1 or not len(chosen) or not np.issubdtype(chosen.dtype, np.integer):
        raise ValueError(
            f"selection: expected a mask or indices that select at least one clip, got {chosen!r}; check the values "
            "that you compare, such as dataset.subjects, which is None if the set has none"
        )
    if chosen.min() < 0 or chosen.max() >= n:
        raise ValueError(f"selection: expected indices in 0..{n - 1}, got {chosen.min()}..{chosen.max()}")
    return chosen.astype(np.int64)


def check_places(indices: ArrayLike, n: int) -> NDArray[np.int64]:
    """Check indices into a set of ``n`` clips, ``(k,)`` with k at least 1."""
    places = np.asarray(indices)
    if places.ndim != 1 or not len(places) or not np.issubdtype(places.dtype, np.integer):
        raise ValueError(f"indices: expected integers (n,), n at least 1, got {places.dtype} {places.shape}")
    if places.min() < 0 or places.max() >= n:
        raise ValueError(f"indices: expected integers in 0..{n - 1}, got {places.min()}..{places.max()}")
    return places.astype(np.int64)


def check_finite(x: NDArray[Any], names: Sequence[str]) -> None:
    """Raise if a clip has a NaN or infinite coordinate after the cast to float32. The message names the clip."""
    with np.errstate(over="ignore"):
        x = x.astype(np.float32, copy=False)
    wrong = ~np.isfinite(x).all(axis=(1, 2, 3, 4))
    if wrong.any():
        first, *others = (name for name, bad in zip(names, wrong, strict=True) if bad)
        raise ValueError(
            f"clips: NaN or infinite coordinates in clip {first!r}"
            + (f" and {len(others)} more" if others else "")
            + "; if NaN marks unseen joints, set Preprocessing(nan='unseen') (--data.nan unseen); otherwise leave the "
            "clip out"
        )
