"""Masks of a split, such as the array ``is_train`` of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks._utils.missing import refuse_missing


def boolean_mask(
    values: ArrayLike, *, name: str, names: Sequence[str] | None = None, n: int | None = None
) -> NDArray[np.bool_]:
    """A mask of clips, given as booleans or as 0 and 1; nothing else counts as one.

    Args:
        values: ``(n,)``.
        name: What the mask is called, which opens the message.
        names: Names of the clips, for messages. Default: their numbers.
        n: How many clips there are. Default: as many as values.

    Returns:
        Boolean ``(n,)``.

    Raises:
        TypeError: Text, or other objects.
        ValueError: Wrong axes, another number of values, a missing one, or a number that is neither 0 nor 1.

    Example:
        >>> boolean_mask([1, 0, 1], name="is_train")
        array([ True, False,  True])
        >>> boolean_mask([1, 0, 2], name="is_train")
        Traceback (most recent call last):
        ...
        ValueError: is_train: expected booleans, or 0 and 1, got 2 for clip 2
    """
    refuse_missing(values, name=name, names=names)
    mask: NDArray[Any] = np.asarray(values)
    if mask.ndim != 1 or (n is not None and len(mask) != n):
        raise ValueError(
            f"{name}: expected one value per clip, ({'n' if n is None else n},), got shape {mask.shape}; list one for "
            "every clip"
        )
    if mask.dtype.kind == "O" and all(isinstance(value, bool | np.bool_) for value in mask):
        mask = mask.astype(np.bool_)
    if mask.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected booleans, or 0 and 1, got {mask.dtype}")
    wrong = np.flatnonzero((mask != 0) & (mask != 1))
    if len(wrong):
        place = int(wrong[0])
        shown = place if names is None else repr(names[place])
        raise ValueError(f"{name}: expected booleans, or 0 and 1, got {mask[place]} for clip {shown}")
    return mask.astype(np.bool_)
