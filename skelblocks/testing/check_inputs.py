"""Testers of inputs: a block must not write to them, and their strides must not matter."""

from __future__ import annotations

import torch
from torch import Tensor

from skelblocks.testing._calls import (
    Block,
    Inputs,
    Keywords,
    call,
    check_close,
    expect,
    map_tensors,
    name_of,
    tensors_of,
)


def check_inputs_unchanged(block: Block, inputs: Inputs, *, keywords: Keywords = None) -> None:
    """Check that a block writes to none of its inputs.

    Args:
        block: Function or module to test.
        inputs: Positional arguments.
        keywords: Keyword arguments.

    Raises:
        AssertionError: An input changed.

    Example:
        >>> check_inputs_unchanged(torch.relu, [torch.randn(4)])
    """
    tensors = tensors_of([inputs, keywords or {}])
    before = [(x.detach().clone(), x._version) for x in tensors]
    call(block, inputs, keywords)
    for i, (x, (kept, version)) in enumerate(zip(tensors, before, strict=True)):
        same = x._version == version and torch.equal(x.detach().isnan(), kept.isnan())
        same = same and torch.equal(x.detach().nan_to_num(), kept.nan_to_num())
        expect(same, f"{name_of(block)}: expected to leave its inputs alone, but it wrote to tensor {i} of them")


def check_strides(
    block: Block,
    inputs: Inputs,
    *,
    keywords: Keywords = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that a block returns the same for inputs whose memory is laid out in another order.

    Args:
        block: Function or module to test.
        inputs: Positional arguments. Tensors of two axes or more are laid out with the axes reversed.
        keywords: Keyword arguments, laid out likewise.
        rtol: Relative tolerance; default: as in :func:`torch.testing.assert_close`.
        atol: Absolute tolerance; default: likewise.

    Raises:
        AssertionError: The outputs differ.

    Example:
        >>> check_strides(torch.nn.Conv2d(3, 2, 1), [torch.randn(4, 3, 5, 6)])
    """
    other_inputs, other_keywords = map_tensors(_relaid, list(inputs)), map_tensors(_relaid, dict(keywords or {}))
    got, expected = call(block, other_inputs, other_keywords), call(block, inputs, keywords)
    check_close(got, expected, what=f"{name_of(block)} of inputs with other strides", rtol=rtol, atol=atol)


def _relaid(x: Tensor) -> Tensor:
    axes = list(reversed(range(x.ndim)))
    return x.permute(axes).contiguous().permute(axes)
