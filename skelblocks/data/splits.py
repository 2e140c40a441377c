"""Training and test parts of a set, as masks: ``dataset.subset(mask)`` and ``dataset.subset(~mask)``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def cross_subject(subjects: ArrayLike, train: Collection[int], *, allow_missing: bool = False) -> NDArray[np.bool_]:
    """True for the clips of the training subjects.

    Args:
        subjects: The subject of each clip, ``(n,)``.
        train: The subjects to train on; the others are the test part. For UTD-MHAD the odd ones.
        allow_missing: Whether some of ``train`` may have no clip, as in a part of a set.

    Returns:
        Boolean ``(n,)``.

    Raises:
        ValueError: other axes, a training subject without a clip, or a part that comes out empty.

    Example:
        >>> cross_subject([1, 2, 3, 3], train=(1, 3))
        array([ True, False,  True,  True])
    """
    return _held_out(subjects, train, allow_missing, name="subjects")


def cross_view(views: ArrayLike, train: Collection[int], *, allow_missing: bool = False) -> NDArray[np.bool_]:
    """True for the clips of the training cameras. NTU RGB+D trains on 2 and 3, NW-UCLA on 1 and 2.

    Args:
        views: The camera of each clip, ``(n,)``.
        train: The cameras to train on; the others are the test part.
        allow_missing: Whether some of ``train`` may have no clip, as in a part of a set.

    Returns:
        Boolean ``(n,)``.

    Raises:
        ValueError: other axes, a training camera without a clip, or a part that comes out empty.

    Example:
        >>> cross_view([1, 2, 3], train=(2, 3))
        array([False,  True,  True])
    """
    return _held_out(views, train, allow_missing, name="views")


def _held_out(groups: ArrayLike, train: Collection[int], allow_missing: bool, *, name: str) -> NDArray[np.bool_]:
    values: NDArray[Any] = np.asarray(groups)
    if values.ndim != 1:
        raise ValueError(f"{name}: expected one a clip, shape (n,), got shape {values.shape}")
    there = np.unique(values).tolist()
    missing = sorted(set(train) - set(there))
    if missing and not allow_missing:
        raise ValueError(f"train: no clip has {missing}; {name} has {there}; allow_missing=True lets them pass")
    mask = np.isin(values, list(train))
    if mask.all() or not mask.any():
        part = "test" if mask.any() else "training"
        raise ValueError(f"train: the {part} part is empty; {name} has {there}, train is {sorted(train)}")
    return mask
