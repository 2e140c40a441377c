"""One comparison: a block of the library against the field's usual way to compute the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every benchmark is asked for."""

    device: str = "cpu"  # for those that can run elsewhere
    small: bool = False  # tiny sizes, for tests
    half: bool = False  # bfloat16 autocast in ``ours``
    compiled: bool = False  # torch.compile in ``ours``


class Case(NamedTuple):
    """Two functions that do the same work; ``ours`` and ``plain`` are timed, what they return is thrown away."""

    name: str
    sizes: str
    ours: Callable[[], object]
    plain: Callable[[], object]
    difference: float  # between their results, largest, relative to the largest number; checked before the case is made
    clips: int = 0  # a call's, where a rate says something


def largest_difference(ours: Iterable[Tensor], plain: Iterable[Tensor], *, floor: float = 0.0) -> float:
    """Between two lists of results, relative to the largest number of each, or to ``floor`` where that is larger."""
    pairs = [(a.detach(), b.detach()) for a, b in zip(ours, plain, strict=True)]
    return max(float((a - b).abs().max()) / max(float(b.abs().max()), floor) for a, b in pairs)
