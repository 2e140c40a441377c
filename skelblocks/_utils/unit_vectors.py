"""Normalize rows to length one, in double precision on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def as_float64(x: Tensor | NDArray[Any]) -> NDArray[np.float64]:
    """Copy features to a float64 array on the CPU. The device of a tensor does not have to support float64.

    Example:
        >>> import torch
        >>> as_float64(torch.ones(2, dtype=torch.bfloat16))
        array([1., 1.])
    """
    if isinstance(x, Tensor):
        held = x.detach().cpu()
        x = (held if held.element_size() >= 4 else held.float()).numpy()
    return np.array(x, dtype=np.float64)


def unit_vectors(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide every row by its length; a row of zeros stays zero.

    Rows are first divided by their largest number, because squares of very large or small numbers are infinite or zero.

    Args:
        x: Finite numbers ``(n, d)``.

    Returns:
        ``(n, d)``.

    Example:
        >>> unit_vectors(np.array([[3e-200, 4e-200], [3e200, 4e200], [0.0, 0.0]]))
        array([[0.6, 0.8],
               [0.6, 0.8],
               [0. , 0. ]])
    """
    largest = np.abs(x).max(axis=1, keepdims=True, initial=0.0)
    scaled: NDArray[np.float64] = x / np.where(largest > 0, largest, 1.0)
    length = np.sqrt(np.einsum("rc,rc->r", scaled, scaled))[:, None]
    scaled /= np.where(length > 0, length, 1.0)
    return scaled
