"""The shared check of all steps: coordinates must be a plain floating-point array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_array(x: NDArray[Any], *, name: str = "x") -> None:
    """Raise ``TypeError`` unless ``x`` is a floating-point array without a mask.

    Example:
        >>> check_array(np.ma.masked_equal([1.0, -999.0], -999.0))
        Traceback (most recent call last):
        ...
        TypeError: x: expected a plain numpy array, got a masked one, whose hidden numbers would count as coordinates;
        set Preprocessing(nan='unseen') where a data set reads them, or fill them
    """
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: expected a plain numpy array, got a masked one, whose hidden numbers would count as coordinates; "
            "set Preprocessing(nan='unseen') where a data set reads them, or fill them"
        )
    if not isinstance(x, np.ndarray) or not np.issubdtype(x.dtype, np.floating):
        raise TypeError(
            f"{name}: expected a floating-point numpy array, got {getattr(x, 'dtype', type(x).__name__)}"
            f"{_remedy(x, name=name)}"
        )


def _remedy(x: object, *, name: str) -> str:
    if isinstance(x, np.ndarray):
        return f"; pass {name}.astype(numpy.float32)" if x.dtype.kind in "iub" else ""
    if hasattr(x, "numpy"):
        return f"; pass {name}.numpy()"
    if isinstance(x, (list, tuple)):
        return f"; pass numpy.stack({name}) if all have one length, or from_arrays({name}, ...) if they have not"
    return ""
