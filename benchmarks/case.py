"""One comparison: a block of the library against the field's usual way to compute the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Case(NamedTuple):
    """Two functions that do the same work; ``ours`` and ``plain`` are timed, what they return is thrown away."""

    name: str
    sizes: str
    ours: Callable[[], object]
    plain: Callable[[], object]
    difference: float  # between their results, largest, relative to the largest number; checked before the case is made
