"""Checks for losses that compare two views of a batch.

Axes: n samples, d features.
"""

from __future__ import annotations

from torch import Tensor

from skelblocks._utils.checks import check_axes, check_floating
from skelblocks._utils.debug import debugging
from skelblocks.contrast._checks import check_finite


def check_two_views(first: Tensor, second: Tensor) -> None:
    """Raise unless both are floating-point ``(n, d)`` of the same shape with at least two samples."""
    check_axes(first, "n d", name="first")
    check_floating(first, name="first")
    n, d = first.shape
    check_axes(second, "n d", name="second", n=n, d=d)
    check_floating(second, name="second")
    if n < 2:
        raise ValueError(
            f"first: expected at least two samples, got shape {tuple(first.shape)}; a batch of {n} has no variance, "
            "so drop the last, short batch"
        )
    for name, x in (("first", first), ("second", second)):
        if debugging(x):
            check_finite(x, name=name)
