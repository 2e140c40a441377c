"""Run a block without storing its activations: backward runs the block again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def run_again_in_backward(block: nn.Module, x: Tensor, *others: Any) -> Tensor:
    """Call a block, and store only its inputs for backward.

    The second run draws the same dropout as the first, and does not update the running statistics of batch
    normalization again.

    Args:
        block: A module from a tensor to a tensor.
        x: Its first argument.
        *others: Its other arguments.

    Example:
        >>> block = nn.Sequential(nn.Conv1d(2, 2, 1), nn.BatchNorm1d(2))
        >>> run_again_in_backward(block, torch.randn(4, 2, 5)).sum().backward()
        >>> block[1].num_batches_tracked.item()
        1
    """
    # A compiler decides itself what to compute again.
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
        y: Tensor = block(x, *others)
        return y

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(block)

    again: Tensor = checkpoint(block, x, *others, use_reentrant=False, context_fn=contexts)
    return again


@contextlib.contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Keep batch normalizations in training from updating their running statistics.

    They still receive the statistics: without them, the operation would save different tensors than in the first run.
    """
    norms = [each for each in block.modules() if isinstance(each, _BatchNorm) and each.training]
    momenta = [norm.momentum for norm in norms]
    counts = [norm.num_batches_tracked for norm in norms]
    before = [None if count is None else count.clone() for count in counts]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count, old in zip(norms, momenta, counts, before, strict=True):
            norm.momentum = momentum
            if count is not None and old is not None:
                count.copy_(old)
