"""Reject a training batch of one sample.

Axes: n samples.
"""

from __future__ import annotations

from torch import Tensor


def check_not_alone(x: Tensor, *, training: bool) -> None:
    """Raise ``ValueError`` if ``x``, ``(n, ...)``, has one sample in training: batch normalization needs more."""
    if training and x.shape[0] == 1:
        raise ValueError(
            "x: expected at least 2 samples, got 1: in training, batch normalization divides by the batch's "
            "spread; use a larger batch (drop_last=True for a left-over sample) or .eval()"
        )
