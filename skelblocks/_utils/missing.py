"""Detect missing values in all common forms: None, NaN, NaT, masked entries, pandas' NA."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = frozenset({"NAType", "NaTType", "MaskedConstant"})  # by name, so that pandas need not be imported


def missing_entries(values: Any) -> NDArray[np.bool_]:
    """Mark the missing values along the first axis. A row is missing if any of its values is.

    Args:
        values: A list, an array, masked or not, a tensor, or a pandas series.

    Returns:
        Boolean ``(n,)``.

    Example:
        >>> missing_entries(["a", None, float("nan")]), missing_entries(np.ma.masked_equal([1, -9], -9))
        (array([False,  True,  True]), array([False,  True]))
    """
    if isinstance(values, np.ma.MaskedArray):
        return _rows(np.ma.getmaskarray(values)) | missing_entries(np.asarray(values.data))
    if hasattr(values, "isna"):  # pandas: its nullable integers would become an object array
        return _rows(np.asarray(values.isna(), dtype=np.bool_))
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        empty = np.zeros(values.shape, dtype=np.bool_)
        kind = values.dtype.kind
        return _rows(np.isnan(values) if kind in "fc" else np.isnat(values) if kind in "mM" else empty)
    return np.array([_is_missing(value) for value in values], dtype=np.bool_)


def refuse_missing(values: Any, *, name: str, names: Sequence[str] | None = None) -> None:
    """Raise ``ValueError`` if a value is missing.

    Args:
        values: One value per clip, see :func:`missing_entries`.
        name: The argument's name, at the start of the message.
        names: Names of the clips. Default: their numbers.

    Example:
        >>> refuse_missing([1, None], name="subjects")
        Traceback (most recent call last):
        ...
        ValueError: subjects: expected a value for every clip, got none for clip 1; add a value, or remove the clip
    """
    missing = np.flatnonzero(missing_entries(values))
    if len(missing):
        place = int(missing[0])
        shown = str(place) if names is None or place >= len(names) else repr(names[place])
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(
            f"{name}: expected a value for every clip, got none for clip {shown}{more}; add a value, or remove the clip"
        )


def _rows(entries: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows: NDArray[np.bool_] = np.atleast_1d(entries)
    if rows.ndim > 1:
        rows = np.asarray(rows.reshape(len(rows), -1).any(axis=1))
    return rows


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in _NAMES:
        return True
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    if isinstance(value, complex | np.complexfloating | Decimal):
        return bool(value != value)  # true only for NaN
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, list | tuple | np.ndarray):
        return bool(missing_entries(value).any())
    return False
