"""Debug mode: optional checks of values, which cost time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

from skelblocks._utils.checks import values_visible

_ENABLED: ContextVar[bool | None] = ContextVar("skelblocks_debug", default=None)


@contextmanager
def debug(enabled: bool = True) -> Iterator[None]:
    """Check the values of arguments, not only shapes and dtypes.

    Losses then reject probabilities or unit embeddings in place of logits, banks whose rows are not unit rows, and NaN
    or infinite values. The error names the argument. The checks read values, so they run on CPU tensors only, and never
    in a compiled graph or under ``vmap``. Set the environment variable ``SKELBLOCKS_DEBUG=1`` to turn them on for a
    whole program.

    Args:
        enabled: False turns the checks off inside the block, even if the environment variable is set.

    Example:
        >>> import torch
        >>> from skelblocks.losses import info_nce
        >>> with debug():
        ...     info_nce(torch.tensor([[0.5, 0.25, 0.25]]))
        Traceback (most recent call last):
        ...
        ValueError: logits: expected logits, got rows that sum to 1, like probabilities; pass the values before the
        softmax
    """
    token = _ENABLED.set(enabled)
    try:
        yield
    finally:
        _ENABLED.reset(token)


def debugging(x: Tensor) -> bool:
    """Whether to check the values of ``x``.

    Example:
        >>> import torch
        >>> with debug():
        ...     debugging(torch.zeros(2)), debugging(torch.zeros(2, device="meta"))
        (True, False)
    """
    if not values_visible(x):  # first, because a compiled graph cannot read a context variable
        return False
    enabled = _ENABLED.get()
    return os.environ.get("SKELBLOCKS_DEBUG", "") not in ("", "0") if enabled is None else enabled
