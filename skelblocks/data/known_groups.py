"""Check groups of clips, such as subjects or cameras: every clip must have a known group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skelblocks._utils.escape import escape
from skelblocks._utils.missing import refuse_missing

_BLANK = ("", "nan", "NaN", "None", "<NA>", "NaT")  # what a missing value becomes in an array of text


def known_groups(groups: ArrayLike, *, name: str, names: Sequence[str] | None = None) -> NDArray[Any]:
    """Check that every clip has a known group, and return the groups.

    Args:
        groups: ``(n,)``: numbers from 0, where readers give -1 for one that a file does not say, or text.
        name: What the groups are called, which opens the message.
        names: Names of the clips, for messages. Default: their numbers.

    Returns:
        ``(n,)``.

    Raises:
        TypeError: A mixture of text, numbers and other objects.
        ValueError: Wrong axes, or a group that is missing or negative.

    Example:
        >>> known_groups([1, 3, -1], name="subjects")
        Traceback (most recent call last):
        ...
        ValueError: subjects: expected a known group for every clip, got -1 for clip 2; leave such clips out
    """
    refuse_missing(groups, name=name, names=names)
    values: NDArray[Any] = np.asarray(groups)
    if values.ndim != 1:
        raise ValueError(f"{name}: expected one per clip, shape (n,), got shape {values.shape}")
    if values.dtype.kind == "O":
        kinds = {type(value) for value in values.tolist()}
        if len(kinds) > 1:
            shown = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(
                f"{name}: expected groups of one type, got {shown}; make all of them text, map(str, groups)"
            )
        values = np.array(values.tolist())
    if values.dtype.kind in "if":
        unknown = np.flatnonzero(values < 0)
    elif values.dtype.kind in "US":
        unknown = np.flatnonzero(np.isin(np.char.strip(values.astype(np.str_)), _BLANK))
    else:
        unknown = np.zeros(0, dtype=np.int64)
    if len(unknown):
        place = int(unknown[0])
        shown = str(place) if names is None else repr(escape(names[place]))
        raise ValueError(
            f"{name}: expected a known group for every clip, got {values[place].item()!r} for clip {shown}; leave such "
            "clips out"
        )
    return values
